"""Assemble a run's dataset from its packs, shard by shard.

A shard is a fixed range of a crawl's sources. Each is a task of its own, which writes the shard's files into a folder
and renames it; the last step reads only what the tasks noted about their files. So all cores write, a kill costs one
shard, and no memory grows with the run.
"""
