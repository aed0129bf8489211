"""Is everything there that a miner, or a validator, needs? Each check gives one plain line, and what mends a failure.

check.py          what a check is, and what it finds
checks.py         the list of them, by role
run.py            side by side, each with a deadline
subject.py        what is looked at: settings, flags, and what several checks ask for once
installation.py   Python, packages, compiled core, recipe, a known page, what a validator measures with
machine.py        processors, memory, disk, open files, GPU
database.py       where a validator keeps its queue
chain.py          key, chain, seat on the subnet, length of the commitment, right to set weights
server.py         task server, its subnet, its hotkey, clock
hub.py            token, right to write; the Hub without either
crawl.py          Common Crawl's files
cluster.py        Slurm
show.py           how it looks on a terminal and elsewhere
"""
