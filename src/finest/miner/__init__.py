"""The miner: repeats lease -> refine -> publish -> commit -> finish, and resumes after any interruption.

start.py        checks everything that a miner needs, then runs its loop
loop.py         Miner: works on one task after another and resumes a task after a crash
steps.py        the four steps of a task, each safe to repeat
journal.py      the record of each task's finished steps; one miner per work folder
lease.py        renews a lease while the miner works on its task, and reports a lost lease
error_kinds.py  classifies errors: transient, ends this task, or needs the operator
retrying.py     retries an operation while its error is transient
stop.py         Ctrl-C: once to stop after the current task, twice to stop at once
disk.py         the disk space that a task needs, and clean-up of old tasks
prefetch.py     reads the next task's WARCs while the current one is published
status_file.py  what the miner is doing, in a file for the dashboard
overview.py     the data of `finest dashboard`: journals, ledger and task server
"""
