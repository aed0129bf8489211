"""Secrets and control characters are taken out of text before it leaves: user information, signatures, passwords.

`public_address` gives the part of a source's address that names may hold. `masked` is for any other text: messages,
logs, tracebacks. Errors of ours pass through it in `FinestError.__str__`, log records in the factory that
`mask_logs` installs, lines of the command line in `cli.shared`.
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
"""Stands where a secret stood."""

_USER_INFORMATION = re.compile(r"(?<=://)[^/?#\s'\"<>\\]*@")
_DATABASE_USER = re.compile(r"\b((?:postgres|mysql|mariadb|oracle|mssql|redis|amqp)\w*(?:\+\w+)?://)[^\s'\"<>]*@")
"""A password in a database's address may hold a slash (SQLAlchemy takes all up to the last `@`)."""
_CREDENTIAL_NAME = (
    r"(?:x-(?:amz|goog|oss|cos|obs|ms|hub)-[\w-]*"
    r"|[\w.-]*(?:signature|token|secret|passw|credential|accesskey|access_key|accessid|api_?key|auth|session|expire"
    r"|policy|ticket|jwt|hmac|nonce)[\w.-]*"
    r"|sig|sign|key|key-pair-id|pw|pwd|pass|passphrase|user|username|hdnea|hdnts|hdntl|__gda__|__token__"
    r"|s[epvrtk]|spr|sdd|sip|ss|srt|ske|skt|sks|skv|skoid|sktid|saoid|suoid|scid|rsc[cdelt])"
)
"""Parameters that carry rights and not an identity: AWS Signature 2 and 4, Google's and Alibaba's signed addresses,
CloudFront, Akamai's edge tokens, Azure's shared access signatures
(https://learn.microsoft.com/rest/api/storageservices/create-service-sas), and what people call their own."""
_CREDENTIAL = re.compile(rf"(?i)([?&;]{_CREDENTIAL_NAME}=)[^&;\s'\"<>]+")
_IS_CREDENTIAL = re.compile(rf"(?i){_CREDENTIAL_NAME}")
_IDENTIFIES_TOO = frozenset({"key", "user", "username", "author", "ticket", "session"})
"""As often an object's as a secret: hidden in messages, but two sources may differ in them."""
_AZURE = re.compile(r"(?i)s[epvrtk]|spr|sdd|sip|ss|srt|sk[estv]|skoid|sktid|saoid|suoid|scid|rsc[cdelt]|key|sign")
"""Short names that carry rights only beside a `sig`."""
_QUERY = re.compile(r"\?\S+")
_TOKEN = re.compile(r"\bhf_[A-Za-z0-9_]{8,}|(?i:\b(?:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,})")

# C0 and C1 controls but tab and newline, lone surrogates, and the marks that turn the direction of writing around
# (https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing): none has a place in a stranger's text.
UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def masked(text: object) -> str:
    """The text without user information in its addresses, values of credential parameters, and tokens."""
    shown = _DATABASE_USER.sub(rf"\1{HIDDEN}@", str(text))
    shown = _USER_INFORMATION.sub(f"{HIDDEN}@", shown)
    shown = _CREDENTIAL.sub(rf"\1{HIDDEN}", shown)
    return _TOKEN.sub(HIDDEN, shown)


def masked_error(error: BaseException) -> str:
    """A library's error in one line. Such texts name the address that was asked for: its whole query is hidden."""
    words = " ".join(masked(_QUERY.sub(f"?{HIDDEN}", str(error))).split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def printable(text: object) -> str:
    """The text with U+FFFD for what could disturb a terminal: escape sequences, controls, reversed writing."""
    return UNSHOWABLE.sub("\ufffd", str(text))


def one_line(text: object) -> str:
    """The same with each run of white space as one space: foreign text cannot begin a line of its own."""
    return " ".join(printable(text).split())


QUOTED = "\n  | "
"""What each line of a log begins with that a message quotes."""


def message(text: object) -> str:
    """An error's text for a terminal: `one_line`, but for the lines of a log that it quotes."""
    return QUOTED.join(map(one_line, str(text).split(QUOTED)))


def public_address(location: str) -> str:
    """An http(s) address without user information, query and fragment; an s3:// address with `?` and `#` escaped.

    What is no address is given back as it is.
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
    """Whether a source's name is an address with user information, a query or a fragment."""
    return "://" in name and public_address(name) != name


def told_apart(locations: Sequence[str]) -> list[str]:
    """A suffix for each of several addresses that have one public address, so that their names differ if they do.

    It is `~` and 16 hex digits of the sha256 over the query parameters in which they differ; parameters that carry
    rights do not count, so that a new signature changes no name. It is empty for an address without any.
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
    """Host and port of an address, for messages."""
    try:
        return urlsplit(public_address(address)).netloc or "the server"
    except ValueError:
        return "the server"


def mask_logs() -> None:
    """From now on every log record and every traceback that ends the process is masked, whoever writes it."""
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
