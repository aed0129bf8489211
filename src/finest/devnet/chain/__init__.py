"""The devnet's chain: Substrate JSON-RPC over WebSocket with the metadata of Subtensor's own runtime.

    metadata.py      the runtime's metadata, from the SDK's source distribution, pinned by sha256
    storage.py       keys and values encoded by the metadata's types; changes on top of a block
    blocks.py        blocks and the history of every storage value, in one append-only file
    state.py         accounts, neurons, stakes, permits, epochs
    extrinsics.py    bytes -> who signed what; signature, era and format checks with the node's error codes
    pool.py          what waits for a block, in the order of nonces
    commitment.py    the bytes of a commitment, measured
    dispatch.py      the calls, with the pallets' own errors
    runtime_api.py   metagraph, neurons, stake and the other questions of `state_call`
    node.py          the parts together: submit, seal a block, amend the head
    rpc.py           the methods of JSON-RPC
    drive.py         the devnet's own methods, for tests and other processes
    faults.py        what goes wrong on demand
    clock.py         when blocks are made
    server.py        the WebSocket server, for this process and for others

Needs `bittensor-core` (the codec) and `websockets`, not the SDK. The rules of dispatch are this package's model of the
pallets: no emission, no Yuma consensus, no fees, no drand pulses (timelocked weights are accepted and never opened).
"""
