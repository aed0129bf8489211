"""A simulation of the subnet that runs the product's own score, weights, sampling, queue and task server's store.

    python -m bench.subnet                       64 neurons, five seeds; prints a table
    python -m bench.subnet --size full           256 neurons, 64 of them validators
    python -m bench.subnet --seeds 20 --save     also writes bench/results/subnet.json, docs/images/subnet-*.svg and
                                                 the tables of docs/concepts/economics.md
    python -m bench.subnet --keep FOLDER         keeps each seed's month, so that a stopped run goes on

    settings.py    who takes part, how much each does, and what the world does to them
    miners.py      strategies: what a miner leases, how well it works, and what it does afterwards
    outcomes.py    what an audit finds in a task: rates of detection from bench/results/attacks.json
    task.py        a task that a miner finished
    panel.py       the validators that are drawn to judge a task, and what each kind reports
    product.py     every other call of the product's code
    chain.py       seats, stakes, and the devnet's own epoch
    earlier.py     the rules of payment before verified work was paid, for comparison
    run.py         the month, block by block
    collusion.py   what validators get who pay friends, by their share of the stake
    sampling.py    the weight of an honest hotkey if more is committed than can be judged
    canaries.py    what lazy validators lose by canaries (python -m bench.subnet.canaries)
    griefers.py    how far a crawl gets if hotkeys burn its WARCs (python -m bench.subnet.griefers)
    cost.py        what judging costs by the number of validators (python -m bench.subnet.cost)
    report.py      figures, tables and pictures

docs/concepts/economics.md explains the figures.
"""
