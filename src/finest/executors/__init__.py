"""Executors that run the slices of a run, built on DataTrove's: forked local workers, Slurm, or Ray."""
