"""Faults of the devnet's Hub, and what the real client makes of them (the table of what it retries)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from pydantic import ValidationError

from finest.devnet.hub.faults import Fault
from finest.devnet.hub.server import HubServer
from tests.devnet.hub_client import ask, client

ROWS = "/api/datasets/alice/rows"


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub") as server:
        body = {"name": "rows", "type": "dataset"}
        assert ask(server, "POST", "/api/repos/create", token=server.add_user("alice"), json=body).status_code == 200
        server.requests.clear()
        yield server


def test_a_status_is_answered_without_the_work(hub: HubServer) -> None:
    """The next n requests that match, after those skipped, get the status; others are served."""
    hub.faults.add(Fault(path=f"^{ROWS}$", method="GET", status=503, times=2, skip=1))
    assert [ask(hub, "GET", ROWS).status_code for _ in range(4)] == [200, 503, 503, 200]
    assert ask(hub, "GET", "/api/datasets").status_code == 200
    assert hub.faults.pending() == []


def test_429_says_when_to_come_back(hub: HubServer) -> None:
    """A rate limit comes with Retry-After and the Hub's RateLimit header, over HTTP as over the object."""
    fault = {"path": "/api/", "status": 429, "retry_after_s": 3, "headers": {"X-More": "yes"}}
    assert requests.post(f"{hub.endpoint}/_devnet/faults", json=fault, timeout=60).json()[0]["times"] == 1
    answer = ask(hub, "GET", ROWS)
    assert answer.status_code == 429
    assert requests.post(f"{hub.endpoint}/_devnet/faults", json={"path": "["}, timeout=60).status_code == 400
    told = {name: answer.headers[name] for name in ("Retry-After", "RateLimit", "X-More")}
    assert told == {"Retry-After": "3", "RateLimit": '"api";r=0;t=3', "X-More": "yes"}


def test_a_dropped_request_is_not_done_and_a_lost_one_is(hub: HubServer) -> None:
    """Dropped: closed before the work. Lost: the work is done and nobody hears of it."""
    token = hub.add_user("alice")
    for name, fault in (("one", Fault(path="/tag/", drop=True)), ("two", Fault(path="/tag/", lost=True))):
        hub.faults.add(fault)
        with pytest.raises(requests.ConnectionError):
            ask(hub, "POST", f"{ROWS}/tag/main", token=token, json={"tag": name})
    assert [tag["name"] for tag in ask(hub, "GET", f"{ROWS}/refs").json()["tags"]] == ["two"]
    hub.faults.add(Fault(path="/tag/", lost=True, status=504))
    assert ask(hub, "POST", f"{ROWS}/tag/main", token=token, json={"tag": "three"}).status_code == 504
    assert len(ask(hub, "GET", f"{ROWS}/refs").json()["tags"]) == 2


def test_a_stall_delays_and_a_cut_breaks_off(hub: HubServer) -> None:
    """A stalled answer comes late; a cut one ends after so many bytes, short of its Content-Length."""
    hub.faults.add(Fault(path="/api/", stall_s=0.3), Fault(path="/resolve/", cut_bytes=10))
    began = time.monotonic()
    assert ask(hub, "GET", ROWS).status_code == 200
    assert time.monotonic() - began >= 0.3
    with requests.get(
        f"{hub.endpoint}/datasets/alice/rows/resolve/main/.gitattributes", stream=True, timeout=60
    ) as cut:
        assert int(cut.headers["Content-Length"]) > 10
        assert cut.raw.read(10) == b"*.7z filte"
        with pytest.raises(requests.exceptions.ChunkedEncodingError):
            list(cut.iter_content())


@pytest.mark.parametrize(
    "fault",
    [
        {"path": "["},
        {"path": "/"},
        {"path": "/", "drop": True, "cut_bytes": 1},
        {"path": "/", "status": 200},
        {"path": "/", "drop": True, "more": 1},
        {"path": "/", "drop": True, "times": 0},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fault: dict[str, object]) -> None:
    """A fault is one thing; a misspelt one is an error, never ignored."""
    with pytest.raises(ValidationError):
        Fault.model_validate(fault)


def test_faults_and_the_log_can_be_read_and_cleared(hub: HubServer) -> None:
    """The log has method, path, status and bytes of each request, and never a token or a query."""
    token = hub.add_user("alice")
    hub.faults.add(Fault(path="/none", drop=True))
    assert len(requests.get(f"{hub.endpoint}/_devnet/faults", timeout=60).json()) == 1
    assert requests.delete(f"{hub.endpoint}/_devnet/faults", timeout=60).json() == []
    assert hub.faults.pending() == []
    ask(hub, "GET", f"{ROWS}?secret={token}", token=token)
    seen = requests.get(f"{hub.endpoint}/_devnet/requests", timeout=60)
    assert token not in seen.text
    assert [(one["method"], one["path"], one["status"]) for one in seen.json()] == [("GET", ROWS, 200)]
    assert seen.json()[0]["sent_bytes"] > 100
    requests.delete(f"{hub.endpoint}/_devnet/requests", timeout=60)
    assert hub.requests.all() == []


def test_what_the_client_retries_by_itself(hub: HubServer, tmp_path: Path) -> None:
    """huggingface_hub retries pre-upload, LFS batch, LFS PUT and the HEAD of a file: one commit comes of it."""
    hub.faults.add(
        Fault(path="/preupload/", status=500),
        Fault(path="objects/batch$", status=502),
        Fault(path="^/_lfs/", method="PUT", status=503),
        Fault(path="/resolve/", method="HEAD", status=503),
    )
    script = """
    open("a.bin", "wb").write(os.urandom(100_000))
    api.upload_file(path_or_fileobj="a.bin", path_in_repo="a.bin", repo_id=REPO, repo_type="dataset")
    result = sha256(hf_hub_download(REPO, "a.bin", repo_type="dataset")) == sha256("a.bin")
    """
    assert client(tmp_path / "home", hub, script, token=hub.add_user("alice")) is True
    assert hub.faults.pending() == []
    assert hub.requests.count("/commit/", status=200) == 1


def test_what_xet_retries_by_itself(hub: HubServer, tmp_path: Path) -> None:
    """hf_xet retries the token, xorbs and shards."""
    hub.faults.add(
        Fault(path="/xet-write-token/", status=503),
        Fault(path="^/v1/xorbs/", status=503),
        Fault(path="^/v1/shards", status=500),
    )
    script = """
    open("a.bin", "wb").write(os.urandom(100_000))
    result = api.upload_file(path_or_fileobj="a.bin", path_in_repo="a.bin", repo_id=REPO, repo_type="dataset").oid
    """
    assert len(client(tmp_path / "home", hub, script, token=hub.add_user("alice"), xet=True)) == 40
    assert hub.faults.pending() == []


def test_what_is_left_to_us(hub: HubServer, tmp_path: Path) -> None:
    """A commit, create_repo, whoami, repo_info and a GET from the CDN fail at the first 5xx, 429 or lost answer."""
    hub.faults.add(
        Fault(path="/commit/", status=503),
        Fault(path="/commit/", lost=True),
        Fault(path="/repos/create$", status=429, retry_after_s=1),
        Fault(path="/whoami", status=429, retry_after_s=1),
        Fault(path=f"^{ROWS}$", status=503),
        Fault(path="^/_cdn/", method="GET", status=503),
    )
    script = """
    def put(name):
        api.create_commit(REPO, [CommitOperationAdd(name, io.BytesIO(b"x"))], repo_type="dataset", commit_message=name)
    result = [
        refused(put, "a.bin"), refused(put, "b.bin")[0] != "no error",
        refused(api.create_repo, "alice/more", repo_type="dataset"), refused(api.whoami),
        refused(api.dataset_info, REPO), refused(hf_hub_download, REPO, "b.bin", repo_type="dataset"),
        api.list_repo_files(REPO, repo_type="dataset"),
    ]
    """
    assert client(tmp_path / "home", hub, script, token=hub.add_user("alice")) == [
        ["HfHubHTTPError", 503],
        True,
        ["HfHubHTTPError", 429],
        ["HfHubHTTPError", 429],
        ["HfHubHTTPError", 503],
        ["HfHubHTTPError", 503],
        [".gitattributes", "b.bin"],
    ]
