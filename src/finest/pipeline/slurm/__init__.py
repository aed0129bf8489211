"""Run on Slurm, with the same slices, ledger and dataset as on one machine.

`run.py` submits, follows, resumes and cancels a run. It records each submission first (`finest.pipeline.submission`),
so that any process can follow the jobs: the tasks of an array judge a share of the slices each, and those of a
second array make the dataset together.
"""
