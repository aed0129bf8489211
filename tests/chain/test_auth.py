"""Signed requests: accepted once, as they were signed, by whom they were signed for, in time."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import bittensor as bt
import pytest
from bittensor.keyfiles import Keypair

from finest.chain.auth import HEADERS, MAX_AGE_S, RETENTION_S, SKEW_S, NotAuthenticated, sign_request, verify_request
from finest.errors import ChainError
from tests.tasks.live_server import SERVER, hotkey

ALICE, BOB = hotkey("Alice"), hotkey("Bob")
BODY = b'{"warcs":4}'


@dataclass
class Sent:
    """A request on its way."""

    headers: dict[str, str]
    body: bytes = BODY
    method: str = "POST"
    target: str = "/v1/tasks/lease?a=b%20c"
    receiver: str = SERVER.address


@dataclass
class Nonces:
    seen: set[tuple[str, int]] = field(default_factory=set)

    def __call__(self, key: str, nonce_ns: int) -> bool:
        new = (key, nonce_ns) not in self.seen
        self.seen.add((key, nonce_ns))
        return new


def signed(**changes: str) -> Sent:
    sent = Sent({})
    sent.headers = (
        sign_request(ALICE, method=sent.method, target=sent.target, body=sent.body, receiver=sent.receiver) | changes
    )
    return sent


def check(sent: Sent, nonces: Callable[[str, int], bool] | None = None) -> str:
    return verify_request(
        sent.headers, sent.body, method=sent.method, target=sent.target, receiver=sent.receiver,
        accept_nonce=nonces or Nonces(),
    )  # fmt: skip


def refusal(sent: Sent, nonces: Nonces | None = None) -> NotAuthenticated:
    nonces = nonces or Nonces()
    with pytest.raises(NotAuthenticated) as rejected:
        check(sent, nonces)
    return rejected.value


def test_a_signed_request_is_its_signers() -> None:
    """The answer is the hotkey's address, however the headers are spelt."""
    assert check(signed()) == ALICE.address
    assert set(signed().headers) == set(HEADERS)
    sent = signed()
    assert check(replace(sent, headers={name.lower(): value for name, value in sent.headers.items()})) == ALICE.address


def test_a_request_is_accepted_once() -> None:
    """The same headers again are a replay; signed anew, the same request is welcome."""
    nonces, sent = Nonces(), signed()
    assert check(sent, nonces) == ALICE.address
    assert refusal(sent, nonces).reason == "replayed"
    assert check(signed(), nonces) == ALICE.address


@pytest.mark.parametrize(
    "changes",
    [{"body": b'{"warcs":64}'}, {"target": "/v1/tasks/lease"}, {"target": "/v1/tasks/1/release"}, {"method": "PUT"},
     {"target": "/v1/tasks/lease?a=b c"}],
    ids=str,
)  # fmt: skip
def test_a_changed_request_is_nobodys(changes: dict[str, str]) -> None:
    """Body, path, query and method are what was signed, to the byte; and no nonce is spent on it."""
    nonces = Nonces()
    assert refusal(replace(signed(), **changes), nonces).reason == "bad-signature"
    assert not nonces.seen


def test_another_hotkeys_name_does_not_fit_the_signature() -> None:
    """Who is named is who signed."""
    assert refusal(signed(**{"X-Bittensor-Hotkey": BOB.address})).reason == "bad-signature"


def test_a_request_for_another_server_is_refused() -> None:
    """What one server is told cannot be told to another by it."""
    assert refusal(replace(signed(), receiver=BOB.address)).reason == "wrong-receiver"
    sent = signed()
    del sent.headers["X-Bittensor-Receiver"]
    assert refusal(sent).reason == "wrong-receiver"


@pytest.mark.parametrize("off_s", [-(MAX_AGE_S + 65.0), SKEW_S + 60.0])
def test_a_stale_request_says_how_stale(off_s: float) -> None:
    """Clocks that are off are told by how much."""
    sent = Sent({})
    sent.headers = bt.http_auth.sign(
        ALICE.signer, method=sent.method, path=sent.target, body=sent.body, receiver_ss58=sent.receiver,
        nonce_ns=time.time_ns() + int(off_s * 1e9),
    )  # fmt: skip
    rejected = refusal(sent)
    assert rejected.reason == "stale"
    assert rejected.skew_s == pytest.approx(-off_s, abs=3)
    assert ("95 s ago" in str(rejected)) if off_s < 0 else ("in the future" in str(rejected))


def test_only_sr25519_signs() -> None:
    """Another scheme is refused by its name, even where its signature holds."""
    key, sent = Keypair.create_from_uri("//Alice", crypto_type=0), Sent({})
    sent.headers = bt.http_auth.sign(
        key, method=sent.method, path=sent.target, body=sent.body, receiver_ss58=sent.receiver
    )
    assert sent.headers["X-Bittensor-Crypto"] == "ed25519"
    assert refusal(sent).reason == "malformed"


def test_an_unsigned_request_is_told_so() -> None:
    """No signature at all is `missing`; a part of one is `malformed`."""
    assert refusal(Sent({"Content-Type": "application/json"})).reason == "missing"
    for name in HEADERS:
        sent = signed()
        del sent.headers[name]
        assert refusal(sent).reason in ("malformed", "wrong-receiver")


@pytest.mark.parametrize(
    ("header", "value"),
    [("Version", "2"), ("Hotkey", "5x"), ("Hotkey", "\ud800"), ("Nonce", "soon"), ("Nonce", "9" * 5000),
     ("Signature", "0x00"), ("Signature", "zz"), ("Crypto", "\x00")],
)  # fmt: skip
def test_garbage_is_malformed(header: str, value: str) -> None:
    """Whatever stands in a header, the answer is a refusal."""
    assert refusal(signed(**{f"X-Bittensor-{header}": value})).reason == "malformed"


def test_an_absurd_nonce_is_stale() -> None:
    """A number of any size is a moment that is not now."""
    for nonce in ("9" * 4000, "-" + "9" * 4000, "0"):
        assert refusal(signed(**{"X-Bittensor-Nonce": nonce})).reason == "stale"


def test_nonces_are_kept_longer_than_requests_live() -> None:
    """A request that is still fresh is never forgotten; refusals are the chain's errors."""
    assert RETENTION_S > MAX_AGE_S + SKEW_S
    assert issubclass(NotAuthenticated, ChainError)


def test_what_the_memory_raises_passes_through() -> None:
    """A database that fails is no wrong signature."""

    def broken(_key: str, _nonce_ns: int) -> bool:
        raise OSError("disk")

    with pytest.raises(OSError, match="disk"):
        check(signed(), broken)


def test_checking_is_cheap() -> None:
    """A request costs a tenth of a millisecond of CPU; a machine under load may take several times as long."""
    sent = [signed() for _ in range(200)]
    began = time.process_time()
    for one in sent:
        check(one)
    assert (time.process_time() - began) / len(sent) < 0.005
