"""The devnet's chain: Substrate JSON-RPC over WebSocket with the metadata of Subtensor's own runtime.

    metadata.py      the runtime's metadata, from the SDK's source distribution, pinned by sha256
    storage.py       keys and values encoded by the metadata's types; changes on top of a block
    blocks.py        blocks and the history of every storage value, in one append-only file
    state.py         accounts, neurons, stakes, permits, epochs
    fixed_point.py   the chain's fixed-point numbers
    epoch.py         one epoch: consensus, incentive, bonds, dividends, emission
    mechanisms.py    a subnet's mechanisms and the split of its emission among them
    settle.py        runs the epochs at the end of a tempo and stores what they give
    weights.py       sets a validator's weights, by the pallet's own checks
    reveal.py        opens hidden weights with drand's signature, or with weights that a driver knows
    extrinsics.py    decodes an extrinsic; checks signature, era and format with the node's error codes
    pool.py          transactions waiting for a block, in nonce order
    commitment.py    measures the bytes of a commitment
    dispatch.py      the calls, with the pallets' own errors
    runtime_api.py   metagraph, neurons, stake and the other runtime calls of `state_call`
    node.py          the whole chain: submit, make a block, amend the head
    rpc.py           the methods of JSON-RPC
    drive.py         the devnet's own methods, for tests and other processes
    faults.py        faults on demand
    clock.py         the block clock
    server.py        the WebSocket server, for this process and for others

The package needs `bittensor-core` (the codec) and `websockets`, not the SDK. Its dispatch rules are a model of the
pallets: epochs as the chain's own, but no fees and no trade. It cannot ask drand, so hidden weights are revealed only
if a driver provides the round's signature or the weights.
"""
