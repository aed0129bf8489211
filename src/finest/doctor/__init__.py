"""Checks whether everything that a miner or a validator needs is there.

Each check is a function that looks at one subject (the machine, the chain, the Hub and so on) and returns a finding:
one plain line, and what mends a failure. `checks.py` lists the checks of each role, `subject.py` holds what they look
at and fetches once what several of them ask for. `finest.examination` runs them, `finest.findings` says what they
return.
"""
