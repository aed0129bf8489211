"""Slurm as an executor: DataTrove's own, given what the cluster can fulfil and followed to its end.

A request is fitted to the cluster, each stage of a run becomes one job array, and every task is watched until the
queue or the accounts say how it ended; what they say is put into plain words.
"""
