"""Slurm as an executor: DataTrove's own, asked for what can run, submitted in one array a stage, watched to its end.

request.py   what a person asks for, and what this cluster can give of it
stage.py     one stage as one job array
units.py     what became of each task of the run's jobs
waiting.py   why nothing runs, said once
words.py     how a task ended, in plain words
memory.py    whether the kernel killed a process of this job for want of memory
"""
