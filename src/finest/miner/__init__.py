"""The miner: lease -> refine -> publish -> commit -> finish, again and again, whatever stops it.

start.py     looks at everything that a miner needs, then runs its loop
journal.py   what is done of each task, written down when it is done; one miner a work folder
steps.py     refine, publish, commit, finish: each safe to repeat
lease.py     keeps a lease alive while its task is worked at; says when it is lost
loop.py      Miner: the next task, and the same task again after a crash
error_kinds.py every error's kind: it passes, it ends this task, or a person is needed; how long to wait
retrying.py  does a thing again while it fails in a way that passes
stop.py      Ctrl-C: once, and the task in hand is finished; twice, and it ends at once
disk.py      what a task needs on disk, what may be thrown away
prefetch.py  the next task's WARCs, read while the last one is published
status_file.py what the miner does right now, for whoever looks
overview.py  journals, ledger and task server on one page: `finest dashboard`
"""
