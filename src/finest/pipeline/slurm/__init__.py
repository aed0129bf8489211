"""A run on Slurm: the same slices, the same ledger, the same dataset.

submission.py  what was handed in, written down before anything runs; whether it is still at work
steps.py       what the jobs do: a share of the slices each, then the dataset of all
follow.py      the run's jobs, followed to their end: the first failure wins
run.py         refine, detach, attach, cancel
"""
