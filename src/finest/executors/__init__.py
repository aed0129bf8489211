"""What runs the slices of a run: forked workers of this machine, Slurm, or Ray, behind DataTrove's executors."""
