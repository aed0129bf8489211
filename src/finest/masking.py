"""Remove secrets (user information, signatures, passwords) and control characters from text before it is shown.

`public_address` returns the part of a source's address that may be used in names. `masked` is for any other text:
messages, logs, tracebacks. `FinestError.__str__` applies it to our errors, the factory that `mask_logs` installs to log
records, and `cli.shared` to the lines of the command line.
"""

from __future__ import annotations

import hashlib
import logging
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any
from urllib.parse import parse_qsl, urlsplit

HIDDEN = "***"
"""Replacement for a secret."""

_USER_INFORMATION = re.compile(r"(?<=://)[^/?#\s'\"<>\\]*@")
_DATABASE_USER = re.compile(r"\b((?:postgres|mysql|mariadb|oracle|mssql|redis|amqp)\w*(?:\+\w+)?://)[^\s'\"<>]*@")
"""A password in a database address may contain a slash (SQLAlchemy reads up to the last `@`)."""
_CREDENTIAL_NAME = (
    r"(?:x-(?:amz|goog|oss|cos|obs|ms|hub)-[\w-]*"
    r"|[\w.-]*(?:signature|token|secret|passw|credential|accesskey|access_key|accessid|api_?key|auth|session|expire"
    r"|policy|ticket|jwt|hmac|nonce)[\w.-]*"
    r"|sig|sign|key|key-pair-id|pw|pwd|pass|passphrase|user|username|hdnea|hdnts|hdntl|__gda__|__token__"
    r"|s[epvrtk]|spr|sdd|sip|ss|srt|ske|skt|sks|skv|skoid|sktid|saoid|suoid|scid|rsc[cdelt])"
)
"""Query parameters that grant access rather than identify an object: AWS Signature 2 and 4, signed addresses of Google
and Alibaba, CloudFront, Akamai's edge tokens, Azure's shared access signatures
(https://learn.microsoft.com/rest/api/storageservices/create-service-sas), and common self-chosen names."""
_CREDENTIAL = re.compile(rf"(?i)([?&;]{_CREDENTIAL_NAME}=)[^&;\s'\"<>]+")
_IS_CREDENTIAL = re.compile(rf"(?i){_CREDENTIAL_NAME}")
_IDENTIFIES_TOO = frozenset({"key", "user", "username", "author", "ticket", "session"})
"""Names that may mean a secret or identify an object: masked in messages, but counted when two sources differ."""
_AZURE = re.compile(r"(?i)s[epvrtk]|spr|sdd|sip|ss|srt|sk[estv]|skoid|sktid|saoid|suoid|scid|rsc[cdelt]|key|sign")
"""Short names that grant access only together with a `sig`."""
_QUERY = re.compile(r"\?\S+")
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9_]{8,}|(?i:\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,})")

# C0 and C1 controls except tab and newline, lone surrogates, and the marks that change the writing direction
# (https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing): untrusted text must not contain them.
UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def masked(text: object) -> str:
    """Mask user information in addresses, values of credential parameters, and tokens."""
    shown = _DATABASE_USER.sub(rf"\1{HIDDEN}@", str(text))
    shown = _USER_INFORMATION.sub(f"{HIDDEN}@", shown)
    shown = _CREDENTIAL.sub(rf"\1{HIDDEN}", shown)
    return _TOKEN.sub(HIDDEN, shown)


def masked_error(error: BaseException) -> str:
    """Format a library's error in one line; masks whole queries, since such errors quote the requested address."""
    words = " ".join(masked(_QUERY.sub(f"?{HIDDEN}", str(error))).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def printable(text: object) -> str:
    """Replace what could disturb a terminal (escape sequences, controls, reversed writing) by U+FFFD."""
    return UNSHOWABLE.sub("\ufffd", str(text))


def one_line(text: object) -> str:
    """Apply `printable` and collapse white space, so that untrusted text cannot begin a new line."""
    return " ".join(printable(text).split())


QUOTED = "\n  | "
"""Line break and prefix of each log line that a message quotes."""


def message(text: object) -> str:
    """Format an error's text for a terminal: `one_line`, but keep the log lines that it quotes apart."""
    return QUOTED.join(map(one_line, str(text).split(QUOTED)))


def public_address(location: str) -> str:
    """Strip user information, query and fragment from an address; for s3://, only escape `?` and `#`.

    A location that is not an address is returned unchanged.
    """
    scheme, separator, rest = location.partition("://")
    if not separator:
        return location
    if scheme == "s3":
        return location.replace("?", "%3F").replace("#", "%23")
    rest = re.split(r"[?#]", rest, maxsplit=1)[0]
    authority, slash, path = rest.partition("/")
    return f"{scheme}://{authority.rpartition('@')[2]}{slash}{path}"


def holds_secrets(name: str) -> bool:
    """Return whether a source's name is an address with user information, a query or a fragment."""
    return "://" in name and public_address(name) != name


def told_apart(locations: Sequence[str]) -> list[str]:
    """Return a suffix for each of several addresses with the same public address, so that different names result.

    It is `~` and 16 hex digits of the sha256 over the query parameters in which the address differs from the others.
    Parameters that grant access do not count, so a new signature does not change a name. Without any such parameter,
    the suffix is empty.
    """
    queries = [_identity(location) for location in locations]
    common = set(queries[0]).intersection(*queries[1:])
    suffixes = []
    for query in queries:
        own = [pair for pair in query if pair not in common]
        digest = hashlib.sha256("\0".join(f"{name}={value}" for name, value in own).encode("utf-8", "surrogateescape"))
        suffixes.append(f"~{digest.hexdigest()[:16]}" if own else "")
    return suffixes


def _identity(location: str) -> list[tuple[str, str]]:
    query = location.partition("#")[0].partition("?")[2]
    pairs = parse_qsl(query, keep_blank_values=True)
    is_azure = any(name.lower() == "sig" for name, _ in pairs)

    def identifies(name: str) -> bool:
        if name.lower() in _IDENTIFIES_TOO or _AZURE.fullmatch(name):
            return not is_azure
        return not _IS_CREDENTIAL.fullmatch(name)

    return [(name, value) for name, value in pairs if identifies(name)]


def host_of(address: str) -> str:
    """Return the host and port of an address, for messages."""
    try:
        return urlsplit(public_address(address)).netloc or "the server"
    except ValueError:
        return "the server"


def mask_logs() -> None:
    """Mask, from now on, every log record and every traceback that ends the process, including those of libraries."""
    made = logging.getLogRecordFactory()
    if not getattr(made, "masks", False):
        logging.setLogRecordFactory(_masking(made))
    sys.excepthook = _print_masked


def _masking(made: Callable[..., logging.LogRecord]) -> Callable[..., logging.LogRecord]:
    def make(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = made(*args, **kwargs)
        words = record.getMessage()
        if (shown := printable(masked(words))) != words:
            record.msg, record.args = shown, ()
        if record.exc_info and record.exc_info[0] is not None:
            record.exc_text = masked(logging.Formatter().formatException(record.exc_info))
        return record

    make.masks = True  # type: ignore[attr-defined]
    return make


def _print_masked(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    for line in _lines(kind, error, trace):
        sys.stderr.write(line)


def _lines(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> Iterator[str]:
    for part in traceback.format_exception(kind, error, trace):
        yield masked(_QUERY.sub(f"?{HIDDEN}", part))
