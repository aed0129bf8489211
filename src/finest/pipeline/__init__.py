"""From WARC files to a dataset: one run, resumable at any point, with a report and a proof of what came out.

`run.py` is the way in. A run is planned in slices, which workers of this machine, Slurm jobs or Ray tasks judge and
commit to the ledger, one by one. When all are there, duplicates are found over the whole run and the dataset is
written, its manifest last. The other commands (status, report, why, verify) only read what a run has left.
"""
