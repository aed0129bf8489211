"""Check whether everything that a miner or a validator needs is available.

Each check is a function that examines one thing (the machine, the chain, the Hub and so on) and returns a finding: one
plain line, and how to repair a failure. `checks.py` lists the checks of each role. `subject.py` holds their inputs and
fetches shared ones only once. `finest.examination` runs the checks, and `finest.findings` defines their results.
"""
