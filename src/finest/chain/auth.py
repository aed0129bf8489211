"""Who asks: HTTP requests signed by a hotkey, and held against their signature (`btauth/1`, the SDK's own protocol).

A signature covers method, target with query, body, the receiver's hotkey and the moment in nanoseconds. So a request
cannot be changed, sent elsewhere, sent late or sent twice. It is not hidden: TLS does that.
https://www.bittensor.com/docs/guides/signed-requests
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from bittensor import http_auth

from finest.chain.wallet import Hotkey
from finest.errors import ChainError

Reason = Literal["missing", "malformed", "wrong-receiver", "stale", "bad-signature", "replayed"]
"""Why a request is nobody's. `missing`: it is not signed at all."""
AcceptNonce = Callable[[str, int], bool]
"""Takes a hotkey and the nonce of its request, which is in nanoseconds since 1970; False if it was seen before."""

MAX_AGE_S = 30.0
"""How long after its signing a request is accepted: slow lines and clocks that are a little late. The SDK's own default
is 10 s, too little for a home line with a lost packet or two."""
SKEW_S = 5.0
"""How far ahead a caller's clock may be; machines that keep time by NTP are within 0.1 s."""
RETENTION_S = 60.0
"""How long nonces must be remembered: more than the 35 s in which a request can be accepted at all."""

SCHEME = "sr25519"
_NONCE = http_auth.HEADER_NONCE.lower()
_CRYPTO = http_auth.HEADER_CRYPTO.lower()
HEADERS = (
    http_auth.HEADER_VERSION, http_auth.HEADER_HOTKEY, http_auth.HEADER_RECEIVER, http_auth.HEADER_NONCE,
    http_auth.HEADER_SIGNATURE,
)  # fmt: skip
"""What a signed request carries."""
_SIGNED = (*(name.lower() for name in HEADERS), _CRYPTO)

_REASONS: dict[type[http_auth.AuthError], Reason] = {
    http_auth.MalformedAuth: "malformed",
    http_auth.WrongReceiver: "wrong-receiver",
    http_auth.StaleRequest: "stale",
    http_auth.BadSignature: "bad-signature",
    http_auth.ReplayedRequest: "replayed",
}


class NotAuthenticated(ChainError):
    """The request is nobody's. `skew_s`: seconds from its signing to now by this machine's clock, if it is stale."""

    def __init__(self, reason: Reason, message: str, skew_s: float | None = None) -> None:
        super().__init__(message)
        self.reason, self.skew_s = reason, skew_s


def sign_request(hotkey: Hotkey, *, method: str, target: str, body: bytes, receiver: str) -> dict[str, str]:
    """The headers that make a request the hotkey's. Each try is signed anew: the same headers are accepted once.

    `target` is the path with its query exactly as sent (percent-encoded), `receiver` the server's hotkey (ss58).
    """
    signed: dict[str, str] = http_auth.sign(
        hotkey.signer, method=method, path=target, body=body, receiver_ss58=receiver
    )
    return signed


def verify_request(
    headers: Mapping[str, str], body: bytes, *, method: str, target: str, receiver: str, accept_nonce: AcceptNonce
) -> str:
    """The hotkey (ss58) that signed the request; takes about 40 us besides `remember`, which is asked last.

    `body` and `target` are raw, as received; `receiver` is this server's own hotkey. Raises NotAuthenticated; what
    `remember` raises passes through.
    """
    signed = {name.lower(): value for name, value in headers.items()}
    signed = {name: signed[name] for name in _SIGNED if name in signed}
    if not signed:
        raise NotAuthenticated("missing", "the request is not signed: sign it by btauth/1 with your hotkey")
    if signed.get(_CRYPTO, SCHEME).lower() != SCHEME:
        raise NotAuthenticated("malformed", f"only {SCHEME} signatures are accepted")
    try:
        caller = http_auth.verify(
            signed, body, method=method, path=target, self_hotkey_ss58=receiver, max_age=MAX_AGE_S,
            allowed_skew=SKEW_S, nonce_store=_Nonces(accept_nonce),
        )  # fmt: skip
    except http_auth.AuthError as error:
        raise _refusal(error, signed) from error
    except UnicodeError as error:
        raise NotAuthenticated("malformed", "a header of the signature is no text") from error
    return str(caller.hotkey_ss58)


@dataclass(frozen=True, slots=True)
class _Nonces:
    """The SDK's shape of a replay store."""

    accept_nonce: AcceptNonce
    retention: float = RETENTION_S

    def check_and_store(self, hotkey_ss58: str, nonce_ns: int) -> bool:
        return self.accept_nonce(hotkey_ss58, nonce_ns)


def _refusal(error: http_auth.AuthError, signed: Mapping[str, str]) -> NotAuthenticated:
    reason = _REASONS.get(type(error), "malformed")
    if reason == "stale":
        return _stale(int(signed[_NONCE]))
    if reason == "wrong-receiver":
        return NotAuthenticated(reason, "the request was signed for another server, or for none")
    return NotAuthenticated(reason, str(error))  # the SDK's texts quote neither signature nor payload


def _stale(nonce_ns: int) -> NotAuthenticated:
    skew_s = (time.time_ns() - nonce_ns) / 1e9 if abs(nonce_ns) < 2**63 else float("inf")
    side = f"{skew_s:.0f} s ago" if skew_s > 0 else f"{-skew_s:.0f} s in the future"
    return NotAuthenticated(
        "stale",
        f"by the server's clock the request was signed {side}; at most {MAX_AGE_S:.0f} s ago and {SKEW_S:.0f} s ahead "
        "are accepted",
        skew_s,
    )
