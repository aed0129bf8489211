"""The devnet's chain and keys, as in the tests of the chain's client."""

from tests.chain.conftest import (
    _no_shared_caches,
    make_key,
    open_chain,
    server,
    shared_server,
    wallets,
)

__all__ = ["_no_shared_caches", "make_key", "open_chain", "server", "shared_server", "wallets"]
