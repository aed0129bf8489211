"""The Bittensor subnet: who is on it, what they committed, and what a hotkey writes to it.

    options.py      which key, which subnet, which network: --wallet.name ... --subtensor.network
    wallet.py       the hotkey, as `btcli` stores it; the key itself never leaves it
    payload.py      the line that a miner commits: fd1:<repo>@<revision>#<root>
    subnet.py       Chain: view, commitments, commit, set_weights; what the rest of the house uses
    view.py         the subnet at one block
    commitments.py  what miners committed, read and written
    weights.py      what a validator thinks of them, written
    submission.py   one write: sent at most once a block, its fate always known
    connection.py   one connection a process: deadlines, retries, replaced when it dies
    loop.py         the event loop that it lives on
    errors.py       every way in which the chain says no

The only part of the house that imports `bittensor`.
"""
