"""Query a Slurm cluster, check its health and settings, and set up a cluster on this machine.

Every Slurm command runs through `commands.py`, which gives it a timeout and a clean environment; the modules for jobs
and nodes parse its output. `check_health.py` assesses a cluster with them. `set_up.py` and `systemd.py` implement
`finest cluster up` and `down`, with the modules for hardware, configuration, packages and daemons.
"""
