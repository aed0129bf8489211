"""A Slurm cluster: asking it, checking its health and its settings, and setting up one on this machine.

Every question to Slurm goes through `commands.py`, which gives it a deadline and a clean environment; the modules
about jobs and nodes turn its answers into values. `check_health.py` judges a cluster by these. `set_up.py` and
`systemd.py` are `finest cluster up` and `down`, and build on the modules about hardware, configuration, packages and
daemons.
"""
