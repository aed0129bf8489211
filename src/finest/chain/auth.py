"""Request authentication: sign HTTP requests with a hotkey and verify them (`btauth/1`, the SDK's own protocol).

A signature covers method, target with query, body, the receiver's hotkey and the time in nanoseconds. So nobody can
change a request, send it elsewhere, send it late or send it twice. It is not encrypted; TLS does that.
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
"""Why a request is not authenticated. `missing` means that it has no signature at all."""
AcceptNonce = Callable[[str, int], bool]
"""The replay check: gets a hotkey and its request's nonce (nanoseconds since 1970); returns False if it is not new."""

MAX_AGE_S = 30.0
"""Time after signing in which a request is accepted; it allows for slow lines and slightly wrong clocks. The SDK's
default of 10 s is too short for a home connection that loses a packet or two."""
SKEW_S = 5.0
"""How far ahead a caller's clock may be; machines that keep time by NTP are within 0.1 s."""
RETENTION_S = 60.0
"""Shortest time to keep nonces: more than the 35 s in which a request can be accepted at all."""

SCHEME = "sr25519"
_NONCE = http_auth.HEADER_NONCE.lower()
_CRYPTO = http_auth.HEADER_CRYPTO.lower()
HEADERS = (
    http_auth.HEADER_VERSION, http_auth.HEADER_HOTKEY, http_auth.HEADER_RECEIVER, http_auth.HEADER_NONCE,
    http_auth.HEADER_SIGNATURE,
)  # fmt: skip
"""The headers of a signed request."""
_SIGNED = (*(name.lower() for name in HEADERS), _CRYPTO)

_REASONS: dict[type[http_auth.AuthError], Reason] = {
    http_auth.MalformedAuth: "malformed",
    http_auth.WrongReceiver: "wrong-receiver",
    http_auth.StaleRequest: "stale",
    http_auth.BadSignature: "bad-signature",
    http_auth.ReplayedRequest: "replayed",
}


class NotAuthenticated(ChainError):
    """The request is not authenticated. If it is stale, `skew_s` is its age in seconds by this machine's clock."""

    def __init__(self, reason: Reason, message: str, skew_s: float | None = None) -> None:
        super().__init__(message)
        self.reason, self.skew_s = reason, skew_s


def sign_request(hotkey: Hotkey, *, method: str, target: str, body: bytes, receiver: str) -> dict[str, str]:
    """The headers that sign a request with the hotkey. Sign each retry again: a server accepts the same headers once.

    `target` is the path with its query exactly as sent (percent-encoded), `receiver` the server's hotkey (ss58).
    """
    signed: dict[str, str] = http_auth.sign(
        hotkey.signer, method=method, path=target, body=body, receiver_ss58=receiver
    )
    return signed


def verify_request(
    headers: Mapping[str, str], body: bytes, *, method: str, target: str, receiver: str, accept_nonce: AcceptNonce
) -> str:
    """Check a request's signature; returns the hotkey (ss58) that signed it.

    `body` and `target` are raw, as received; `receiver` is this server's own hotkey. The check takes about 40 us and
    calls `accept_nonce` last. Raises NotAuthenticated, and whatever `accept_nonce` raises.
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
        raise NotAuthenticated("malformed", "a header of the signature is not valid text") from error
    return str(caller.hotkey_ss58)


@dataclass(frozen=True, slots=True)
class _Nonces:
    """Adapter from `accept_nonce` to the SDK's replay store."""

    accept_nonce: AcceptNonce
    retention: float = RETENTION_S

    def check_and_store(self, hotkey_ss58: str, nonce_ns: int) -> bool:
        return self.accept_nonce(hotkey_ss58, nonce_ns)


def _refusal(error: http_auth.AuthError, signed: Mapping[str, str]) -> NotAuthenticated:
    reason = _REASONS.get(type(error), "malformed")
    if reason == "stale":
        return _stale(int(signed[_NONCE]))
    if reason == "wrong-receiver":
        return NotAuthenticated(reason, "the request was signed for another server or for no server")
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
