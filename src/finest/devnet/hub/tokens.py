"""Users, their tokens, and signed addresses that grant access by themselves."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
import string
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from finest.devnet.hub.disk import read_json, write_json
from finest.devnet.hub.refusal import RefusalError, invalid_credentials
from finest.errors import UsageError

Role = Literal["write", "read"]

SIGNED_FOR_S = 3600
"""Validity of a signed address or a Xet token, one hour as on the Hub."""
TOKEN_LETTERS = 34
"""Letters after `hf_` in a token, as on the Hub."""

_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,40}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class User:
    """The sender of a request, and the role of the token."""

    name: str
    role: Role


class Users:
    """The users of one Hub, stored in one file that only its owner can read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._tokens: dict[str, dict[str, str]] = read_json(path) or {}

    def token(self, name: str, role: Role) -> str:
        """Return the user's token for that role, the same on every call; add a new user.

        Raises UsageError for an invalid name.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(f"user name {name!r}: use 1 to 42 letters, digits and inner dashes")
        with self._lock:
            roles = self._tokens.setdefault(name, {})
            if role not in roles:
                letters = string.ascii_letters + string.digits
                roles[role] = "hf_" + "".join(secrets.choice(letters) for _ in range(TOKEN_LETTERS))
                write_json(self._path, self._tokens, mode=0o600)
            return roles[role]

    def names(self) -> list[str]:
        with self._lock:
            return sorted(self._tokens)

    def caller(self, authorization: str | None) -> User | None:
        """Return the user of an Authorization header; None without one. Raises RefusalError (401) for an unknown
        token.
        """
        if not authorization:
            return None
        shown = authorization.removeprefix("Bearer ").strip().encode()
        with self._lock:
            for name, roles in self._tokens.items():
                for role, token in roles.items():
                    if hmac.compare_digest(token.encode(), shown):
                        return User(name, "write" if role == "write" else "read")
        raise invalid_credentials()


class Signer:
    """Signs the permission of an address or token, so that the server stores nothing and a restart keeps it valid."""

    def __init__(self, path: Path) -> None:
        if read_json(path) is None:
            write_json(path, secrets.token_hex(32), mode=0o600)
        self._key = bytes.fromhex(read_json(path))

    def sign(self, subject: str) -> str:
        """Return a signature over `subject` that is valid for SIGNED_FOR_S seconds: `<expiry>.<hex>`."""
        expiry = int(time.time()) + SIGNED_FOR_S
        return f"{expiry}.{self._mac(subject, expiry)}"

    def check(self, subject: str, signature: str | None) -> None:
        """Raise RefusalError (403) unless `signature` was made over `subject` and is still valid."""
        expiry, _, mac = (signature or "").partition(".")
        if not expiry.isdecimal() or int(expiry) < time.time():
            raise RefusalError(403, "This address has expired or was never signed")
        if not hmac.compare_digest(mac.encode(), self._mac(subject, int(expiry)).encode()):
            raise RefusalError(403, "The signature of this address is wrong")

    def _mac(self, subject: str, expiry: int) -> str:
        return hmac.new(self._key, f"{expiry}\n{subject}".encode(), hashlib.sha256).hexdigest()
