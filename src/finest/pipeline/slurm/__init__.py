"""A run on Slurm: the same slices, the same ledger and the same dataset as on one machine.

`run.py` submits, follows, picks up and cancels a run. What was submitted is written down first
(`finest.pipeline.submission`), so that anybody can follow the jobs: some judge a share of the slices each, the last
one makes the dataset.
"""
