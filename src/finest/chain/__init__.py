"""The client of the Bittensor subnet: reads its neurons and commitments, and writes commitments and weights.

    options.py      the key, subnet and network to use: --wallet.name ... --subtensor.network
    wallet.py       the hotkey, as `btcli` stores it; the key itself never leaves this file
    auth.py         signed HTTP requests: sign, check the signature, reject replays
    signature.py    check the signature of a message against a hotkey's address
    payload.py      the line that a miner commits: fd1:<repo>@<revision>#<root>
    subnet.py       Chain: view, commitments, commit, set_weights; the interface for all other packages
    view.py         the subnet's neurons at one block
    commitments.py  read all miners' commitments, write one's own
    weights.py      read and write a validator's weights
    submission.py   one write to the chain, sent at most once a block, with a known outcome
    connection.py   one connection per process: deadlines, retries, reconnection
    event_loop.py   the event loop thread on which the connection runs
    errors.py       all errors of the chain

No other package imports `bittensor`.
"""
