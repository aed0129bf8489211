"""The validator at work: what is committed becomes verdicts, verdicts become weights.

watch.py      the chain and the task server -> the queue
queue.py      what waits for its verdict, and every verdict; a database
assignment.py a waiting line -> what is to be audited, by which randomness
verdict_process.py one verdict, in a process with limits that knows no key
verdict.py    that process: started, watched, ended
weights.py    verdicts -> weights, a pure function
validator.py  the chores: watch, judge, report, weigh; each starts anew alone when it fails
periodic.py   how it does so
"""
