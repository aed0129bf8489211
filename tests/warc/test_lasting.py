"""What no second try mends is said at once, with what does; the rest is tried again."""

from __future__ import annotations

import datetime as dt
import http.server
import ipaddress
import os
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from finest.errors import SourceError
from finest.reachable import is_passing
from finest.warc import http_session
from finest.warc.openers import HttpsOpener, S3Opener, s3_client
from finest.warc.stream import ResumableStream, RetryPolicy
from tests.faulty_server import Fault, FaultyServer
from tests.warc.socks_server import SocksServer

DATA = b"WARC/1.0\r\n" * 100
QUICK = RetryPolicy(tries=3, first_s=0.0, cap_s=0.0, refused_floor_s=0.0)
NEVER = RetryPolicy(tries=1)


@pytest.fixture(autouse=True)
def nothing_around(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No proxy, certificate or credential of this machine."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.startswith("AWS_") or "CA_BUNDLE" in name or "SSL_CERT" in name:
            monkeypatch.delenv(name)
    for kept in (s3_client, http_session.session):
        kept.cache_clear()
    yield
    for kept in (s3_client, http_session.session):
        kept.cache_clear()


def failure(address: str, **options: object) -> str:
    """The one line that a source's failure is, at the first try: a second one would end the test."""
    retried: list[object] = []
    stream = ResumableStream(HttpsOpener(address, **options), policy=QUICK, on_retry=lambda *what: retried.append(what))  # type: ignore[arg-type]
    with pytest.raises(SourceError) as found, stream:
        stream.read()
    assert not retried
    assert "\n" not in str(found.value)
    return str(found.value)


@contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler], context: ssl.SSLContext | None = None) -> Iterator[str]:
    """An HTTP or HTTPS server; gives host and port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Quiet(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(DATA)))
        self.end_headers()
        self.wfile.write(DATA)

    def log_message(self, format: str, *args: object) -> None:
        pass


class ToItself(Quiet):
    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", self.path)
        self.send_header("Content-Length", "0")
        self.end_headers()


class ToAFile(Quiet):
    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Location", "ftp://user:pa55@elsewhere/a.warc.gz?sig=5ecret")
        self.send_header("Content-Length", "0")
        self.end_headers()


class APage(Quiet):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"<html><body>Welcome</body></html>")


class NotFoundPage(Quiet):
    def do_GET(self) -> None:
        self.send_response(400)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<html><body><p>Bad<br>Request</body></html>")


def certificate(folder: Path, name: str, days: int) -> tuple[ssl.SSLContext, Path]:
    """A server's context with a certificate that it signed itself, for `name`, that ends in so many days."""
    x509 = pytest.importorskip("cryptography.x509")
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.timezone.utc)

    names = [x509.IPAddress(ipaddress.ip_address(name)) if name[0].isdigit() else x509.DNSName(name)]
    made = (
        x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - dt.timedelta(days=900))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path = folder / f"{name}-{days}.pem"
    public = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + public)
    (folder / f"{name}-{days}.crt").write_bytes(public)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context, folder / f"{name}-{days}.crt"


def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    """A self-signed certificate is named as such; nothing is retried."""
    with serving(Quiet, certificate(tmp_path, "127.0.0.1", 9)[0]) as host:
        assert "the server's certificate is not accepted: self-signed" in failure(f"https://{host}/a")


@pytest.mark.parametrize(("name", "days", "why"), [("127.0.0.1", -9, "expired"), ("other.example", 9, "mismatch")])
def test_a_certificate_that_is_over_or_anothers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, days: int, why: str
) -> None:
    """An expired one and one for another host are said at once too."""
    context, path = certificate(tmp_path, name, days)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with serving(Quiet, context) as host:
        said = failure(f"https://{host}/a")
    assert "the server's certificate is not accepted" in said and (why in said or "not valid for" in said)


def test_a_good_certificate_of_an_own_authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the message advises works."""
    context, path = certificate(tmp_path, "127.0.0.1", 9)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(path))
    with serving(Quiet, context) as host:
        assert ResumableStream(HttpsOpener(f"https://{host}/a"), policy=NEVER).read() == DATA


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_certificates_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    """The variable and the file are named."""
    monkeypatch.setenv(variable, str(tmp_path / "gone.pem"))
    said = failure("https://127.0.0.1:1/a")
    assert f"{variable} names {tmp_path / 'gone.pem'}, which does not exist" in said


def test_no_tls_at_that_port() -> None:
    """https:// where http is spoken."""
    with serving(Quiet) as host:
        assert "the server does not speak TLS" in failure(f"https://{host}/a")


def test_redirects_that_lead_nowhere() -> None:
    """A circle, and a scheme that is not read; the address that the server names may hold secrets, and is not shown."""
    with serving(ToItself) as host:
        assert "the server redirects in a circle" in failure(f"http://{host}/a")
    with serving(ToAFile) as host:
        said = failure(f"http://{host}/a")
    assert "it redirects to ftp:; only https:// and http:// can be read" in said
    assert "pa55" not in said and "5ecret" not in said


def test_a_web_page_is_no_warc() -> None:
    """A wrong endpoint answers politely."""
    with serving(APage) as host:
        assert "answers with an HTML page, not a WARC" in failure(f"http://{host}/a")


def test_a_name_that_no_server_has() -> None:
    """`.invalid` never resolves (RFC 6761); a resolver that is away may."""
    try:
        socket.getaddrinfo("nowhere.invalid", 80)
    except socket.gaierror as error:
        if error.errno != socket.EAI_NONAME:
            pytest.skip("this machine's resolver is away")
    assert "no server has that name" in failure("http://nowhere.invalid/a")


@pytest.mark.parametrize("address", ["http://", "http://:80/a", "http://[::1/a", "http://h:99999/a", "http://.a./b"])
def test_addresses_that_are_none(address: str) -> None:
    """What cannot be an address is never asked for."""
    failure(address)


@pytest.mark.parametrize(
    ("status", "words"), [(401, "does not let you read it"), (403, "signature is valid"), (404, "not found"),
                          (410, "not found"), (451, "HTTP 451"), (501, "HTTP 501"), (511, "HTTP 511")],
)  # fmt: skip
def test_statuses_that_last(status: int, words: str) -> None:
    """Refusals are not asked again: a signed address that is refused stays refused."""
    with FaultyServer({}) as server:
        server.state.faults = [Fault("status", status=status)]
        assert words in failure(f"{server.base}/a?sig=5ecret")


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 525, 526, 527, 530])
def test_statuses_that_pass(status: int) -> None:
    """Servers, and the proxies before them, that are ill for a moment are asked again."""
    assert is_passing(status)
    with FaultyServer({"/a": DATA}) as server:
        server.state.faults = [Fault("status", status=status)]
        assert ResumableStream(HttpsOpener(f"{server.base}/a"), policy=QUICK).read() == DATA


def test_through_a_socks_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A SOCKS proxy in the environment is used, with its user and password."""
    pytest.importorskip("socks")
    with FaultyServer({"/a": DATA}) as server, SocksServer("minerva", "pa55") as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5h://minerva:pa55@127.0.0.1:{proxy.port}")
        assert ResumableStream(HttpsOpener(f"{server.base}/a"), policy=NEVER).read() == DATA
        assert proxy.reached == [server.server_address]


def test_no_package_for_a_socks_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without PySocks says so in one line, without the proxy's password."""
    import requests.adapters

    def missing(*_: object, **__: object) -> None:  # what requests itself puts there where PySocks is not installed
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", missing)
    monkeypatch.setenv("ALL_PROXY", "socks5://minerva:pa55@127.0.0.1:1")
    said = failure("http://127.0.0.1:1/a")
    assert "ALL_PROXY (socks5://***@127.0.0.1:1) names a SOCKS proxy; pip install" in said


def test_a_proxy_that_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy's address without a host."""
    monkeypatch.setenv("http_proxy", "http:///nothing")
    assert "proxy" in failure("http://127.0.0.1:1/a")


def s3_failure(monkeypatch: pytest.MonkeyPatch, **settings: str) -> str:
    base = {"AWS_ACCESS_KEY_ID": "AKIAMINERVA", "AWS_SECRET_ACCESS_KEY": "5ecret", "AWS_DEFAULT_REGION": "eu-central-1"}
    for name, value in {**base, **settings}.items():
        monkeypatch.setenv(name, value)
    retried: list[object] = []
    stream = ResumableStream(
        S3Opener("s3://bucket/a.warc.gz"), policy=QUICK, on_retry=lambda *what: retried.append(what)
    )
    with pytest.raises(SourceError) as found, stream:
        stream.read()
    assert not retried, retried
    assert "5ecret" not in str(found.value) and "pa55" not in str(found.value)
    return str(found.value)


def test_a_bucket_behind_a_wrong_certificate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S3 is asked with the same care."""
    with serving(Quiet, certificate(tmp_path, "127.0.0.1", 9)[0]) as host:
        said = s3_failure(monkeypatch, AWS_ENDPOINT_URL=f"https://{host}")
    assert "certificate is not accepted" in said


def test_certificates_for_s3_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """AWS_CA_BUNDLE and its file are named."""
    said = s3_failure(monkeypatch, AWS_ENDPOINT_URL="https://127.0.0.1:1", AWS_CA_BUNDLE=str(tmp_path / "gone.pem"))
    assert f"AWS_CA_BUNDLE names {tmp_path / 'gone.pem'}" in said


@pytest.mark.parametrize("endpoint", ["nonsense", "http://u:pa55@", "ftp://u:pa55@h"])
def test_an_endpoint_that_is_no_address(monkeypatch: pytest.MonkeyPatch, endpoint: str) -> None:
    """AWS_ENDPOINT_URL is named, without its password."""
    assert "AWS_ENDPOINT_URL" in s3_failure(monkeypatch, AWS_ENDPOINT_URL=endpoint)


def test_credentials_that_are_not_ascii(monkeypatch: pytest.MonkeyPatch) -> None:
    """A smart quote that came along with the key."""
    said = s3_failure(monkeypatch, AWS_ACCESS_KEY_ID="\u201cAKIAMINERVA", AWS_ENDPOINT_URL="http://127.0.0.1:1")
    assert "AWS_ACCESS_KEY_ID holds a letter that is not ASCII" in said


def test_a_bucket_whose_server_is_away_for_a_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refused connection passes: the server is being started again."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    retried: list[object] = []
    opener = S3Opener("s3://bucket/a.warc.gz")
    stream = ResumableStream(opener, policy=QUICK, on_retry=lambda *what: retried.append(what))
    with pytest.raises(SourceError, match="gave up"), stream:
        stream.read()
    assert len(retried) == 2


@pytest.mark.nightly
def test_a_bucket_that_is_a_web_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """What answers there is no S3."""
    with serving(NotFoundPage) as host:
        assert "s3://bucket/a.warc.gz" in s3_failure(monkeypatch, AWS_ENDPOINT_URL=f"http://{host}")
