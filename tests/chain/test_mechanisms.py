"""Weights of several mechanisms through the product's own client."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

pytest.importorskip("bittensor")

from finest.chain.errors import RateLimited
from finest.chain.subnet import Chain
from finest.devnet.chain.server import ChainServer
from finest.errors import UsageError
from tests.chain.on_devnet import MakeKey

OpenChain = Callable[..., Chain]


@pytest.fixture
def validator(server: ChainServer, make_key: MakeKey, open_chain: OpenChain) -> Iterator[Chain]:
    """A validator of a subnet with two mechanisms, whose registration is old enough to set weights."""
    server.set_hyperparameter("MechanismCountCurrent", 2)
    server.set_hyperparameter("WeightsSetRateLimit", 5)
    chain = open_chain(make_key(permit=True))
    server.advance(5)
    yield chain
    server.set_hyperparameter("WeightsSetRateLimit", 100)
    server.set_hyperparameter("MechanismCountCurrent", 1)


def test_each_mechanism_has_its_own_weights(server: ChainServer, validator: Chain, make_key: MakeKey) -> None:
    """Set for one, they are not the other's, and neither hinders the other."""
    address, owner = validator.hotkey.address, validator.view().owner_hotkey
    validator.set_weights({address: 1.0})
    validator.set_weights({address: 1.0, owner: 3.0}, mechanism=1)
    assert validator.weights(address) == {address: 1.0}
    assert validator.weights(address, mechanism=1) == pytest.approx({address: 0.25, owner: 0.75}, abs=1e-4)
    server.set_hyperparameter("WeightsSetRateLimit", 10_000)
    with pytest.raises(RateLimited):
        validator.set_weights({address: 1.0}, mechanism=1)


def test_a_mechanism_that_does_not_exist_is_named(validator: Chain) -> None:
    """Before anything is signed."""
    assert validator.mechanisms() == 2
    with pytest.raises(UsageError, match="subnet 63 has no mechanism 2; its mechanisms have the numbers 0 to 1"):
        validator.set_weights({validator.hotkey.address: 1.0}, mechanism=2)


def test_hidden_weights_are_listed_until_they_are_revealed(server: ChainServer, validator: Chain) -> None:
    """Each mechanism's own, by the block of the commit."""
    address = validator.hotkey.address
    assert validator.pending_weights(address).hides is False
    server.set_hyperparameter("CommitRevealWeightsEnabled", True)
    try:
        receipt = validator.set_weights({address: 1.0}, mechanism=1)
        hidden, free = (validator.pending_weights(address, mechanism=number) for number in (1, 0))
    finally:
        server.set_hyperparameter("CommitRevealWeightsEnabled", False)
    assert receipt.reveal_round is not None
    assert (hidden.hides, hidden.blocks, hidden.last_update_block) == (True, (receipt.block,), receipt.block)
    assert free.blocks == ()
