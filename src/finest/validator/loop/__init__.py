"""The validator service: turns commitments into verdicts, and verdicts into weights.

watch.py            reads the chain and the task server into the queue
queue.py            the database of waiting lines and of all verdicts
assignment.py       finds what to audit for a waiting line, and the seed
verdict_process.py  one verdict, in a process with limits and without keys
verdict.py          starts, watches and ends that process
weights.py          computes weights from verdicts, as a pure function
validator.py        the chores watch, judge, report and weigh; each restarts alone when it fails
periodic.py         runs the chores
"""
