"""Recognise permanent connection failures, which no retry can fix, and explain how to fix each.

A rejected certificate, a redirect loop, a proxy of an unknown kind or a missing file of certificates is reported at
once. Resets, stalls, refused connections and busy servers are transient, so they are retried.
"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

from finest.masking import masked, masked_error

CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that tell requests, boto3 and httpx where certificates are."""
PROXY_VARIABLES = ("ALL_PROXY", "all_proxy", "HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
PASSING_STATUS = frozenset({408, 425, 429})
LASTING_5XX = frozenset({501, 505, 511})
"""Permanent: not implemented, HTTP version not supported, network authentication required (RFC 9110, RFC 6585)."""

_WORDS = {
    "TooManyRedirects": "the server redirects in a circle; check the address",
    "InvalidProxyURL": "the proxy's address is invalid",
    "ProxySchemeUnknown": "the proxy's address has an unknown scheme; use one of (http, https, socks5, socks5h)",
    "ProxySchemeUnsupported": "a proxy of this kind cannot be used",
    "InvalidProxyConfiguration": "the proxy's settings are invalid",
    "SOCKS5AuthError": "the proxy refuses the user name and password",
    "LocationParseError": "the address is invalid",
    "InvalidHeader": "a token, user name or password in the settings holds a line break or another such character",
}


def is_passing(status: int) -> bool:
    """Return whether an HTTP status is worth a retry: 408, 425, 429 and the transient 5xx of servers and proxies.

    520 to 527 are Cloudflare's (https://developers.cloudflare.com/support/troubleshooting/http-status-codes/); others
    use 529 and 530.
    """
    return status in PASSING_STATUS or (500 <= status <= 599 and status not in LASTING_5XX)


def lasting(error: BaseException, *, first: bool = True) -> str | None:
    """Describe why no retry can help, and what does; None if a retry may help.

    `first` means that nothing was ever read from this address, so an unknown host name is a permanent mistake.
    """
    for cause in chain(error):
        words = _of(cause, first=first)
        if words:
            return words
    return None


def chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the errors behind it: causes, contexts, and those that urllib3 and requests wrap."""
    waiting, seen = [error], set[int]()
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        inner = (getattr(one, "reason", None), *getattr(one, "args", ()), one.__cause__, one.__context__)
        waiting += [part for part in inner if isinstance(part, BaseException)]


def _of(cause: BaseException, *, first: bool) -> str | None:
    kind = type(cause).__name__
    if isinstance(cause, ssl.SSLError):
        return _of_tls(cause)
    if isinstance(cause, socket.gaierror):
        unknown = cause.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
        return "no server has that name; check the address and the network" if unknown and first else None
    if "socks" in str(cause).lower() and (isinstance(cause, ImportError) or "depend" in str(cause).lower()):
        return f"{_proxy_setting()} names a SOCKS proxy; pip install 'requests[socks]' 'httpx[socks]'"
    if isinstance(cause, UnicodeError) and kind != "UnicodeDecodeError":
        return "a token, user name or password in the settings holds a letter that is not ASCII; copy it again"
    if missing := _missing_certificates(cause):
        return missing
    if kind == "InvalidSchema":
        return f"{_scheme_words(cause)}; only https:// and http:// can be read"
    if kind == "LocalProtocolError" and "header" in str(cause).lower():
        return _WORDS["InvalidHeader"]
    if kind == "UnsupportedProtocol":
        return "it redirects to, or is, an address that is neither https:// nor http://"
    if "407" in str(cause) and "tunnel" in str(cause).lower():
        return f"the proxy in {_proxy_setting()} refuses the user name and password (HTTP 407)"
    if kind in _WORDS:
        where = f" ({_proxy_setting()})" if "proxy" in _WORDS[kind] else ""
        return _WORDS[kind] + where
    return None


def _of_tls(error: ssl.SSLError) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        if missing := missing_certificates():
            return missing
        why = error.verify_message or "it is not trusted"
        own = "" if "self" not in why and "issuer" not in why else "; name your own authority in SSL_CERT_FILE"
        more = "" if own else "; check the address and this machine's clock"
        return f"the server's certificate is not accepted: {why}{own}{more} (REQUESTS_CA_BUNDLE, AWS_CA_BUNDLE)"
    text = str(error).upper()
    if "WRONG_VERSION_NUMBER" in text or "RECORD_LAYER_FAILURE" in text or "HTTP_REQUEST" in text:
        return "the server does not speak TLS on this port; check the port, or write http://"
    if any(
        name in text for name in ("UNSUPPORTED_PROTOCOL", "NO_SHARED_CIPHER", "HANDSHAKE_FAILURE", "ALERT_PROTOCOL")
    ):
        return f"the server accepts no TLS version or cipher of ours ({error.reason})"
    if any(name in text for name in ("NO_CERTIFICATE_OR_CRL_FOUND", "X509", "PEM")):
        return f"{_certificates_setting()} holds no certificate that can be read"
    return None


def _missing_certificates(error: BaseException) -> str | None:
    """Describe a missing file of certificates that the environment names; libraries do not say which."""
    if isinstance(error, FileNotFoundError) or (isinstance(error, OSError) and "CA certificate" in str(error)):
        for variable in CA_VARIABLES:
            path = os.environ.get(variable)
            if path and not Path(path).exists():
                return f"{variable} names {path}, which does not exist; correct or unset it"
    return None


def missing_certificates() -> str | None:
    """Describe the variable that names missing certificates; None if all exist."""
    return _missing_certificates(FileNotFoundError())


def _certificates_setting() -> str:
    return next((f"{name} ({os.environ[name]})" for name in CA_VARIABLES if os.environ.get(name)), "SSL_CERT_FILE")


def _proxy_setting() -> str:
    found = [(name, os.environ[name]) for name in PROXY_VARIABLES if os.environ.get(name)]
    socks = [pair for pair in found if pair[1].startswith("socks")]
    return next((f"{name} ({masked(value)})" for name, value in socks or found), "HTTPS_PROXY")


def _scheme_words(error: BaseException) -> str:
    scheme = re.search(r"([A-Za-z][A-Za-z0-9+.-]*):", masked_error(error).partition(": ")[2])
    return f"it redirects to {scheme[1]}:" if scheme else "it redirects to another scheme"
