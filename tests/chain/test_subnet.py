"""One subnet, read and written by the unmodified SDK against the devnet."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable

import pytest

bt = pytest.importorskip("bittensor")

from finest.chain.errors import (  # noqa: E402
    BudgetExceeded,
    ChainError,
    NoPermit,
    NotRegistered,
    RateLimited,
    UnsupportedRuntime,
    WalletError,
)
from finest.chain.options import ChainOptions  # noqa: E402
from finest.chain.payload import Commitment, encode  # noqa: E402
from finest.chain.subnet import Chain  # noqa: E402
from finest.devnet.chain.server import ChainServer  # noqa: E402
from finest.devnet.chain.state import Genesis  # noqa: E402
from finest.errors import FinestError, UsageError  # noqa: E402
from tests.chain.on_devnet import RATE_LIMIT_BLOCKS, MakeKey  # noqa: E402

OpenChain = Callable[..., Chain]
ROOT = "b" * 64


def line(number: int = 0, repo: str = "alice/finest") -> str:
    return encode(repo, f"{number:040x}", ROOT)


def submit_raw(chain: Chain, *fields: dict[str, str]) -> None:
    """Commit what our own client would never send."""
    call = bt.calls.Commitments.set_commitment(netuid=chain.options.netuid, info={"fields": [list(fields)]})
    with bt.Subtensor(chain.options.target) as sdk:
        result = sdk.submit_call(call, chain.hotkey.signer, signer="hotkey", wait_for_finalization=False)
        assert result.success, result.message


# reading


def test_the_view_has_every_seat(server: ChainServer, miner: Chain) -> None:
    """Who, with what stake and rights, since when; the owner's hotkey has uid 0."""
    server.set_stake(miner.hotkey.address, 12.5)
    server.set_permit(miner.hotkey.address, permit=True)
    view = miner.view()
    me = view.neuron(miner.hotkey.address)
    assert me is not None
    assert view.neurons[me.uid] == me
    assert (me.stake_alpha, me.validator_permit) == (12.5, True)
    assert me.coldkey != me.hotkey
    assert 0 < me.registration_block <= view.block <= server.block
    assert view.owner_hotkey == view.neurons[0].hotkey
    assert (view.netuid, view.tempo_blocks) == (63, 10_000)
    assert view.neuron("nobody") is None


def test_a_view_is_kept_while_it_is_fresh(miner: Chain) -> None:
    """One read serves many questions; its age is told."""
    first = miner.view()
    assert miner.view() is first
    assert 0 <= first.age_s < 5
    assert first.age_blocks == int(first.age_s / first.block_time_s)
    assert miner.view(max_age_s=0) is not first


def test_a_block_has_one_final_hash(server: ChainServer, miner: Chain) -> None:
    """Everybody is told the same hash, and none for what may still change."""
    head = miner.block()
    assert miner.block_hash(head - 1) == server.node.store.blocks[head - 1].hash
    with pytest.raises(ChainError, match=rf"block {head + 10_000} is not final"):
        miner.block_hash(head + 10_000)


def test_a_subnet_that_does_not_exist_is_named(make_key: MakeKey, open_chain: OpenChain) -> None:
    """A wrong --netuid is not an empty subnet."""
    options = make_key()
    with pytest.raises(ChainError, match=r"subnet 7 does not exist on .* check --netuid"):
        open_chain(ChainOptions(**{**_fields(options), "netuid": 7})).view()


def _fields(options: ChainOptions) -> dict[str, object]:
    return {name: getattr(options, name) for name in ChainOptions.__slots__}


# committing


def test_a_commitment_is_sent_once_and_read_by_all(miner: Chain) -> None:
    """Written, read back, found by others under its hotkey; the same again sends nothing."""
    first = miner.commit(line())
    again = miner.commit(line())
    assert (first.sent, again.sent) == (True, False)
    assert again.block == first.block
    mine = [found for found in miner.commitments() if found.hotkey == miner.hotkey.address]
    assert [found.commitment for found in mine] == [Commitment("alice/finest", "0" * 40, ROOT)]
    assert mine[0].block == first.block


def test_a_new_commitment_replaces_the_old(miner: Chain) -> None:
    """The chain keeps one line a hotkey."""
    first, second = miner.commit(line(1)), miner.commit(line(2))
    assert second.block > first.block
    mine = [found.commitment.revision for found in miner.commitments() if found.hotkey == miner.hotkey.address]
    assert mine == [f"{2:040x}"]


@pytest.mark.parametrize("length", [19, 18, 3, 50])
def test_every_length_of_line_fits_the_chain(miner: Chain, length: int) -> None:
    """From the shortest name to the longest, the SDK encodes the field and the chain takes it."""
    repo = "a/" + "b" * (length - 2)
    assert miner.commit(line(length, repo)).sent


@pytest.mark.parametrize("wrong", ["", "hello", "fd1:a/b@main#" + ROOT, "x" * 129, "fd1:" + "a" * 600])
def test_only_a_line_of_ours_is_sent(miner: Chain, wrong: str) -> None:
    """Refused before the chain hears of it."""
    with pytest.raises(UsageError, match="is not a commitment"):
        miner.commit(wrong)


def test_an_unregistered_hotkey_is_told_how_to_register(make_key: MakeKey, open_chain: OpenChain) -> None:
    """Commitments and weights need a seat."""
    chain = open_chain(make_key(registered=False))
    with pytest.raises(NotRegistered, match=r"btcli subnets register --netuid 63 --network ws://\S+ --wallet cold"):
        chain.commit(line())
    with pytest.raises(NotRegistered):
        chain.set_weights({chain.hotkey.address: 1.0})


def test_a_missing_key_hinders_writing_alone(server: ChainServer, open_chain: OpenChain, tmp_path) -> None:
    """Whoever only looks needs no wallet."""
    chain = open_chain(ChainOptions(network=server.endpoint, wallet_path=tmp_path))
    assert chain.view().neurons
    assert chain.commitments().block
    with pytest.raises(WalletError):
        chain.commit(line())


def test_the_epochs_bytes_run_out(server: ChainServer, miner: Chain) -> None:
    """3,100 bytes an epoch, 113 a line: 27 lines, then one clear answer that says when, and nothing is sent."""
    for number in range(27):
        assert miner.commit(line(number, "a/b")).sent
    before = server.node.state_at_head().nonce(miner.hotkey.address)
    with pytest.raises(BudgetExceeded, match=r"used up its bytes .* try again in \d+ blocks") as caught:
        miner.commit(line(99, "a/b"))
    assert 0 < caught.value.retry_after_blocks <= 10_000
    assert server.node.state_at_head().nonce(miner.hotkey.address) == before
    assert miner.commit(line(26, "a/b")).sent is False


def test_hostile_commitments_are_counted_and_passed_over(make_key: MakeKey, open_chain: OpenChain) -> None:
    """What strangers really can write: other kinds of field, bytes that are no text, text that is no line."""
    honest, *others = (open_chain(make_key()) for _ in range(6))
    text = line().encode()
    before = honest.commitments().skipped
    honest.commit(line())
    submit_raw(others[0], {"Raw4": "0xfffe0000"})
    submit_raw(others[1], {"BigRaw": "0x" + (b"x" * 512).hex()})
    submit_raw(others[2], {"Raw2": "0x6869"}, {"Raw2": "0x6869"})
    submit_raw(others[3], {"Sha256": "0x" + "00" * 32})
    submit_raw(others[4], {f"Raw{len(text) - 1}": "0x" + text[:-1].hex()})
    found = honest.commitments()
    assert honest.hotkey.address in [entry.hotkey for entry in found]
    assert not {chain.hotkey.address for chain in others} & {entry.hotkey for entry in found}
    new = {reason: count - before.get(reason, 0) for reason, count in found.skipped.items()}
    assert new == {"not_text": 1, "not_plain": 2, "not_one_field": 1, "foreign": 1}


def test_a_line_goes_with_its_hotkey_not_with_its_seat(cache, tmp_path, wallets, open_chain: OpenChain) -> None:
    """A seat that changes hands brings no line along, and a hotkey that comes back must commit again."""
    genesis = Genesis(max_allowed_uids=3, immunity_period=0)
    with ChainServer(tmp_path / "chain", cache, block_s=0, genesis=genesis) as server:
        chains = [_new_seat(server, wallets, open_chain, f"seat{number}") for number in range(2)]
        for number, chain in enumerate(chains):
            assert chain.commit(line(number)).sent
        server.advance(3)
        newcomer = _new_seat(server, wallets, open_chain, "seat2")
        found = newcomer.commitments()
        assert [(entry.hotkey, entry.uid) for entry in found] == [(chains[1].hotkey.address, 2)]
        assert found.skipped == {"unregistered": 1}
        server.advance(3)
        server.register(chains[0].hotkey.address, server.node.state_at_head().owner(chains[0].hotkey.address))
        assert newcomer.commitments().skipped == {"unregistered": 1, "before_registration": 1}
        assert chains[0].commit(line(0)).sent


def _new_seat(server: ChainServer, wallets, open_chain: OpenChain, name: str) -> Chain:
    wallet = bt.Wallet("cold", name, str(wallets)).create_new_hotkey(suppress=True)
    server.register(wallet.hotkey.ss58_address, wallet.coldkeypub.ss58_address)
    options = ChainOptions(wallet_name="cold", wallet_hotkey=name, wallet_path=wallets, network=server.endpoint)
    return open_chain(options)


# weights


def test_weights_are_set_by_hotkey(server: ChainServer, make_key: MakeKey, open_chain: OpenChain) -> None:
    """Proportions reach the chain under the right seats; who has left is named."""
    validator, one, other = (open_chain(make_key(permit=number == 0)) for number in range(3))
    server.advance(RATE_LIMIT_BLOCKS)
    weights = {one.hotkey.address: 3.0, other.hotkey.address: 1.0, "gone": 1.0}
    receipt = validator.set_weights(weights)
    view = validator.view(max_age_s=0)
    uids = {hotkey: view.neuron(hotkey).uid for hotkey in (one.hotkey.address, other.hotkey.address)}  # type: ignore[union-attr]
    me = view.neuron(validator.hotkey.address)
    assert me is not None
    stored = dict(server.node.state_at_head().get("Weights", 63, me.uid))
    assert stored == {uids[one.hotkey.address]: 65_535, uids[other.hotkey.address]: 21_845}
    assert (receipt.block, receipt.unknown, receipt.reveal_round) == (me.last_update_block, ("gone",), None)


def test_weights_too_early_say_when(server: ChainServer, make_key: MakeKey, open_chain: OpenChain) -> None:
    """The chain's rate limit, before anything is sent."""
    validator = open_chain(make_key(permit=True))
    with pytest.raises(RateLimited, match=r"accepts them every 100; try again in \d+ blocks") as caught:
        validator.set_weights({validator.hotkey.address: 1.0})
    server.advance(caught.value.retry_after_blocks)
    assert validator.set_weights({validator.hotkey.address: 1.0}).block


def test_weights_need_a_permit(server: ChainServer, miner: Chain) -> None:
    """A miner is told what a validator needs."""
    server.advance(RATE_LIMIT_BLOCKS)
    with pytest.raises(NoPermit, match=r"needs a validator permit.*btcli stake add --netuid 63"):
        miner.set_weights({miner.hotkey.address: 1.0})


def test_the_chains_own_no_is_said_in_its_words(server: ChainServer, make_key: MakeKey, open_chain: OpenChain) -> None:
    """What only the chain can check: here the least stake."""
    validator = open_chain(make_key(permit=True))
    server.advance(RATE_LIMIT_BLOCKS)
    amend(server, "StakeThreshold", 10**9)
    try:
        with pytest.raises(NoPermit, match="NotEnoughStakeToSetWeights"):
            validator.set_weights({validator.hotkey.address: 1.0})
    finally:
        amend(server, "StakeThreshold", 0)


def amend(server: ChainServer, item: str, value: int) -> None:
    server._in_loop(lambda: server.node.amend(lambda state: state.put(item, value=value)))


def test_hidden_weights_say_when_they_open(server: ChainServer, make_key: MakeKey, open_chain: OpenChain) -> None:
    """Where the subnet commits first and reveals later, the SDK does it and the receipt has the drand round."""
    validator = open_chain(make_key(permit=True))
    server.advance(RATE_LIMIT_BLOCKS)
    server.set_hyperparameter("CommitRevealWeightsEnabled", True)
    try:
        receipt = validator.set_weights({validator.hotkey.address: 1.0})
    finally:
        server.set_hyperparameter("CommitRevealWeightsEnabled", False)
    assert receipt.reveal_round is not None
    assert receipt.reveal_round > 0
    assert receipt.block <= server.block


@pytest.mark.parametrize("weights", [{}, {"a": 0.0}, {"a": -1.0}, {"a": float("nan")}, {"a": float("inf")}])
def test_invalid_weights_are_refused(miner: Chain, weights: dict[str, float]) -> None:
    """Before the chain hears of it."""
    with pytest.raises(ValueError, match="weight"):
        miner.set_weights(weights)


def test_weights_for_strangers_alone_are_refused(server: ChainServer, make_key: MakeKey, open_chain: OpenChain) -> None:
    """Nobody of these has a seat: nothing is set."""
    with pytest.raises(ChainError, match="nothing to set"):
        open_chain(make_key(permit=True)).set_weights({"gone": 1.0})


# secrets


def test_nothing_secret_is_logged_or_shown(
    server: ChainServer, make_key: MakeKey, open_chain: OpenChain, caplog: pytest.LogCaptureFixture
) -> None:
    """Every level, every logger, the SDK's frames included: commit, weights, a lost answer, an outage, a refusal."""
    server.advance(RATE_LIMIT_BLOCKS)
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("bittensor").setLevel(logging.DEBUG)
        chain = open_chain(make_key(permit=True))
        server.faults.lose_submits = 1
        shown = [repr(chain.commit(line())), repr(chain), repr(vars(chain)), repr(chain.view())]
        with pytest.raises(RateLimited) as caught:
            chain.set_weights({chain.hotkey.address: 1.0})
        shown.append(str(caught.value))
        server.advance(RATE_LIMIT_BLOCKS)
        shown.append(repr(chain.set_weights({chain.hotkey.address: 1.0})))
    stored = json.loads((chain.options.wallet_path / "cold" / "hotkeys" / chain.options.wallet_hotkey).read_text())
    secrets = [str(value).removeprefix("0x") for name, value in stored.items() if "secret" in name or "private" in name]
    assert len(secrets) >= 2
    everything = "\n".join([caplog.text, *(str(record.__dict__) for record in caplog.records), *shown])
    assert "author_submitAndWatchExtrinsic" in everything
    assert not any(secret in everything for secret in secrets)


# the runtime


def test_a_runtime_without_epoch_consensus_is_named_at_once(cache, tmp_path, open_chain: OpenChain) -> None:
    """The version trap of SDK 11.3: one line at the first call, not a failure at the first weights."""
    with ChainServer(tmp_path / "chain", cache, block_s=None, genesis=Genesis(epoch_consensus=False)) as server:
        chain = open_chain(ChainOptions(network=server.endpoint))
        with pytest.raises(
            UnsupportedRuntime, match=r"runs spec 461, which lacks SubtensorModule.SubnetEpochConsensus"
        ):
            chain.block()


def test_every_kind_of_no_has_one_exit_code() -> None:
    """The command line ends with 9 for all of them."""
    kinds = [BudgetExceeded, NoPermit, NotRegistered, RateLimited, UnsupportedRuntime, WalletError]
    assert {kind.exit_code for kind in kinds} == {ChainError.exit_code} == {9}
    assert issubclass(ChainError, FinestError)
