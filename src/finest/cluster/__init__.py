"""A Slurm cluster: asked, examined, set up.

commands.py        one Slurm command: a deadline, a clean environment, its complaint in plain words
framed.py          its answers as records, whatever other people wrote into them
jobs.py            the queue and the accounting, row by row
nodes.py           partitions, nodes, the controller's configuration
munge.py           who believes whom
check.py           is it well? each finding with what mends it
check_settings.py  the same of how it is configured
hardware.py        what this machine has
configuration.py   slurm.conf, slurmdbd.conf and cgroup.conf for it
layout.py          where a cluster of one machine lives
packages.py        what has to be installed, and how
daemons.py         started, noticed when dead, stopped
loopback.py        what it takes for them to listen on 127.0.0.1 alone
parts.py           the five daemons: what starts each, and what proves that it works
set_up.py          `finest cluster up` and `down`
systemd.py         the same where systemd runs
"""
