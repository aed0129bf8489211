"""Turn WARC files into a dataset: one run, resumable at any point, with a report and a verifiable result.

`run.py` is the entry point. It plans a run as slices; workers on this machine, Slurm jobs or Ray tasks judge each slice
and commit it to the ledger. When all slices are committed, the run finds duplicates across the whole run and writes the
dataset, the manifest last. The other commands (status, report, why, verify) only read the files of a run.
"""
