"""What the Hub's answers mean, and how long it is waited for."""

from __future__ import annotations

import json
import os
import random
import ssl
from pathlib import Path

import httpx
import pytest

from finest.dataset.hub import git_blob, parse_place
from finest.dataset.hub_retry import RETRY, Failure, failure_of, hub_call, refusal, unusable
from finest.errors import HubError, HubNotFound, HubUnavailable, UsageError
from tests.faulty_server import FaultyServer
from tests.warc.socks_server import SocksServer

SHA, ROOT = "4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c", "ab" * 32


def test_places() -> None:
    """A dataset's place has a repository, and may have a revision and a root."""
    assert parse_place("a/b") == ("a/b", None, None, "")
    assert parse_place(f"a/b@{SHA}") == ("a/b", SHA, None, "")
    assert parse_place(f"hf://datasets/a/b@{SHA}#{ROOT}") == ("a/b", SHA, ROOT, "")


@pytest.mark.parametrize(
    "text", ["", "web", "a/b@main", f"a/b@{SHA[:7]}", "a/b/c", "../b", "a/b@", f"a/b@{SHA}\n", "-/b"]
)
def test_what_is_no_place(text: str) -> None:
    """A branch, a short hash, a path: not a place that stays what it is."""
    with pytest.raises(UsageError):
        parse_place(text)


def test_git_hashes() -> None:
    """git's own: `echo -n hello | git hash-object --stdin`."""
    assert git_blob(b"hello") == "b6fc4c620b67d95f953a5c1c1230aaab5db5a1b0"


def test_waits_grow_and_are_jittered() -> None:
    """Each wait is at most twice the last one's, none is longer than half a minute, no two clients keep step."""
    random.seed(1)
    waits = [RETRY.wait_s(attempt) for attempt in range(1, 12)]
    assert 0.5 <= waits[0] <= 1 and max(waits) <= RETRY.cap_s
    assert RETRY.wait_s(3) != RETRY.wait_s(3)


def test_a_wait_that_is_asked_for_is_kept() -> None:
    """And is bounded, whatever is asked."""
    assert 35 < RETRY.wait_s(1, asked_s=35.0) <= 36
    assert RETRY.wait_s(1, asked_s=1e9) <= RETRY.asked_cap_s + 1


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (Failure(401), HubError),
        (Failure(401, "RepoNotFound"), HubNotFound),
        (Failure(404, "RevisionNotFound"), HubNotFound),
        (Failure(404, "EntryNotFound"), HubNotFound),
        (Failure(403, "GatedRepo"), HubNotFound),
        (Failure(403), HubError),
        (Failure(400), HubError),
        (Failure(0, words="bad name"), UsageError),
    ],
)
def test_refusals(failure: Failure, kind: type[Exception]) -> None:
    """Each refusal has its kind: what is not there is not the same as what may not be done."""
    assert type(refusal("x", failure)) is kind
    assert not failure.passes


def test_the_hub_that_stays_away_is_nobodys_fault() -> None:
    """After the last try it is HubUnavailable, which says nothing about the dataset."""

    def call() -> None:
        raise ConnectionError("reset")

    with pytest.raises(HubUnavailable, match="no answer"):
        hub_call("read", call, tries=1)


def test_secrets_are_cut_out() -> None:
    """A token or a signature in foreign words reaches no message."""
    error = RuntimeError("PUT https://s3/x?X-Amz-Signature=abcdef with Bearer hf_abcdefghijkl failed")
    words = failure_of(error).words
    assert "abcdef" not in words and "failed" in words


def test_a_local_file_that_is_gone_is_no_failure_of_the_hub() -> None:
    """It is raised as it is."""
    with pytest.raises(FileNotFoundError):
        failure_of(FileNotFoundError(2, "No such file", "x.parquet"))


def tls_error() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_message = "self-signed certificate"
    return error


def token_error() -> UnicodeEncodeError:
    return UnicodeEncodeError("ascii", "hf_\u2019", 3, 4, "ordinal not in range")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (tls_error(), "certificate is not accepted: self-signed"),
        (token_error(), "not ASCII"),
        (json.JSONDecodeError("Expecting value", "<html>", 0), "is not the Hub; check HF_ENDPOINT"),
        (ImportError("Using SOCKS proxy, but the 'socksio' package is not installed."), "SOCKS proxy; pip install"),
        (httpx.TooManyRedirects("Exceeded maximum allowed redirects."), "redirects in a circle"),
        (httpx.UnsupportedProtocol("Request URL has an unsupported protocol 'ftp://'."), "neither https:// nor"),
    ],
)
def test_what_no_second_call_mends_is_said_at_once(error: Exception, words: str) -> None:
    """However deep the client has wrapped it."""
    calls = 0

    def call() -> None:
        nonlocal calls
        calls += 1
        raise ConnectionError("wrapped") from error

    with pytest.raises(UsageError, match=words):
        hub_call("read", call)
    assert calls == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 520, 522, 527, 530])
def test_statuses_that_pass(status: int) -> None:
    """What the Hub or a proxy before it says when ill."""
    assert Failure(status).passes


def test_certificates_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SSL_CERT_FILE and the file are named, where httpx only says that there is no such file."""
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    assert f"SSL_CERT_FILE names {tmp_path / 'gone.pem'}" in str(unusable(FileNotFoundError(2, "No such file")))


def test_through_a_socks_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The client that huggingface_hub uses takes a SOCKS proxy from the environment."""
    pytest.importorskip("socksio")
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    with FaultyServer({"/a": b"data"}) as server, SocksServer("minerva", "pa55") as proxy:
        monkeypatch.setenv("ALL_PROXY", f"socks5://minerva:pa55@127.0.0.1:{proxy.port}")
        with httpx.Client() as client:
            assert client.get(f"{server.base}/a").content == b"data"
        assert proxy.reached == [server.server_address]
