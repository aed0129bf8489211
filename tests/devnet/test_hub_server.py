"""The devnet's Hub by itself: what it refuses, what it keeps, how much memory it takes."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from finest.devnet.hub.faults import Fault
from finest.devnet.hub.server import HubServer
from finest.errors import DevnetError, UsageError
from tests.deep import sampled
from tests.devnet.hub_client import ask, client, lines

ROWS = "/api/datasets/alice/rows"
HEADER = ("header", {"summary": "a commit"})

SERVE = """
import pathlib, sys, time
from finest.devnet.hub.server import HubServer
server = HubServer(pathlib.Path(sys.argv[1]), port=int(sys.argv[2]))
server.start()
print(server.port, server.add_user("alice"), flush=True)
time.sleep(100)
"""


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[HubServer]:
    with HubServer(tmp_path / "hub") as server:
        token = server.add_user("alice")
        made = ask(server, "POST", "/api/repos/create", token=token, json={"name": "rows", "type": "dataset"})
        assert made.status_code == 200
        yield server


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    """A Hub that several tests share: they change nothing."""
    with HubServer(tmp_path_factory.mktemp("refusing")) as server:
        body = {"name": "rows", "type": "dataset"}
        ask(server, "POST", "/api/repos/create", token=server.add_user("alice"), json=body)
        yield server


def commit(hub: HubServer, *operations: tuple[str, dict[str, Any]], header: Any = HEADER) -> tuple[int, dict[str, Any]]:
    answer = ask(hub, "POST", f"{ROWS}/commit/main", token=hub.add_user("alice"), data=lines(header, *operations))
    return answer.status_code, answer.json()


def file(path: str, content: bytes = b"x") -> tuple[str, dict[str, Any]]:
    return "file", {"path": path, "content": base64.b64encode(content).decode(), "encoding": "base64"}


def lfs_upload(hub: HubServer, oid: str, size: int) -> dict[str, Any]:
    """The actions of one object; empty where it is stored."""
    path = "/datasets/alice/rows.git/info/lfs/objects/batch"
    body = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": size}]}
    actions: dict[str, Any] = (
        ask(hub, "POST", path, token=hub.add_user("alice"), json=body).json()["objects"][0].get("actions", {})
    )
    return actions


@pytest.mark.parametrize(
    ("operation", "status", "message"),
    [
        (file("../outside"), 400, "Invalid path"),
        (file("/etc/passwd"), 400, "Invalid path"),
        (file(".git/config"), 400, "Invalid path"),
        (file("a//b"), 400, "Invalid path"),
        (file(".gitattributes/below"), 400, "a file and a folder"),
        (file("README.md", b"---\n[\n---\n"), 400, "YAML"),
        (file("large.txt", b"x" * (10 * 1024 * 1024 + 1)), 400, "10 MiB"),
        (("file", {"path": "a", "content": "*", "encoding": "base64"}), 400, "base64"),
        (("lfsFile", {"path": "a", "algo": "sha256", "oid": "0" * 64, "size": 1}), 400, "not uploaded"),
        (("deletedFile", {"path": "none"}), 404, "does not exist"),
        (("deletedFolder", {"path": "none/"}), 404, "does not exist"),
        (("rename", {"path": "a"}), 400, "Unknown operation"),
    ],
)
def test_a_commit_that_makes_no_sense_changes_nothing(
    refusing: HubServer, operation: tuple[str, dict[str, Any]], status: int, message: str
) -> None:
    """All of a commit is taken or none of it; the answer says why."""
    before = ask(refusing, "GET", ROWS).json()
    answer = commit(refusing, file("good.txt"), operation)
    assert answer[0] == status
    assert message in answer[1]["error"]
    assert ask(refusing, "GET", ROWS).json() == before


def test_a_commit_without_a_header_or_on_no_branch_is_refused(hub: HubServer) -> None:
    """A commit names its summary first, and a branch that exists."""
    token = hub.add_user("alice")
    assert commit(hub, header=file("a"))[0] == 400
    assert ask(hub, "POST", f"{ROWS}/commit/main", token=token, data=b"not json").status_code == 400
    none = ask(hub, "POST", f"{ROWS}/commit/none", token=token, data=lines(HEADER))
    assert (none.status_code, none.headers["X-Error-Code"]) == (404, "RevisionNotFound")


@pytest.mark.parametrize("name", ["../up", "a--b", "a..b", ".hidden", "x" * 97, "a/b", "ends.git", ""])
def test_a_bad_repository_name_is_refused(refusing: HubServer, name: str) -> None:
    """A name that the Hub would not take never becomes a path."""
    body = {"name": name, "type": "dataset"}
    assert ask(refusing, "POST", "/api/repos/create", token=refusing.add_user("alice"), json=body).status_code == 400


def test_wrong_bytes_under_a_claimed_sha256_are_refused(hub: HubServer) -> None:
    """The sha256 of an LFS file is computed from the bytes that arrived, and its size too."""
    content = b"the bytes that arrive"
    oid, claimed = hashlib.sha256(content).hexdigest(), "0" * 64
    assert ask(hub, "PUT", lfs_upload(hub, claimed, 21)["upload"]["href"], data=content).status_code == 422
    assert lfs_upload(hub, claimed, 21), "still not stored"
    actions = lfs_upload(hub, oid, 21)
    assert ask(hub, "PUT", actions["upload"]["href"], data=content).status_code == 200
    assert ask(hub, "POST", actions["verify"]["href"], json={"oid": oid, "size": 22}).status_code == 404
    assert ask(hub, "POST", actions["verify"]["href"], json={"oid": oid, "size": 21}).status_code == 200
    assert lfs_upload(hub, oid, 21) == {}
    told = {"path": "a.bin", "algo": "sha256", "oid": oid}
    assert commit(hub, ("lfsFile", {**told, "size": 20}))[0] == 400
    assert commit(hub, ("lfsFile", {**told, "size": 21}))[0] == 200
    listed = ask(hub, "GET", ROWS, params={"blobs": "true"}).json()["siblings"]
    assert {"sha256": oid, "size": 21, "pointerSize": 127} in [one.get("lfs") for one in listed]


def test_an_address_is_no_use_without_its_signature(hub: HubServer) -> None:
    """Upload and download addresses carry their permission; changed or without it they open nothing."""
    oid = hashlib.sha256(b"x").hexdigest()
    address = lfs_upload(hub, oid, 1)["upload"]["href"]
    assert ask(hub, "PUT", address.partition("?")[0], data=b"x").status_code == 403
    assert ask(hub, "PUT", address[:-1] + ("1" if address[-1] == "0" else "0"), data=b"x").status_code == 403
    assert ask(hub, "PUT", address.replace(oid, "0" * 64), data=b"x").status_code == 403
    assert ask(hub, "PUT", address, data=b"x").status_code == 200
    assert ask(hub, "GET", f"/_cdn/{oid}").status_code == 403


def test_an_lfs_file_comes_from_another_origin(hub: HubServer) -> None:
    """HEAD and GET of an LFS file redirect with the headers that clients read; the other origin serves ranges."""
    content = bytes(range(100))
    oid = hashlib.sha256(content).hexdigest()
    ask(hub, "PUT", lfs_upload(hub, oid, 100)["upload"]["href"], data=content)
    made = commit(hub, ("lfsFile", {"path": "a b.bin", "algo": "sha256", "oid": oid, "size": 100}))[1]["commitOid"]
    head = ask(hub, "HEAD", "/datasets/alice/rows/resolve/main/a%20b.bin")
    assert head.status_code == 302
    assert head.headers["X-Repo-Commit"] == made
    assert (head.headers["X-Linked-Size"], head.headers["X-Linked-ETag"]) == ("100", f'"{oid}"')
    address = head.headers["Location"]
    assert address.startswith(f"http://localhost:{hub.port}/")

    def ranged(wanted: str) -> tuple[int, bytes, str | None]:
        answer = ask(hub, "GET", address, headers={"Range": wanted})
        return answer.status_code, answer.content, answer.headers.get("Content-Range")

    assert ranged("bytes=10-19") == (206, content[10:20], "bytes 10-19/100")
    assert ranged("bytes=-5") == (206, content[95:], "bytes 95-99/100")
    assert ranged("bytes=98-500") == (206, content[98:], "bytes 98-99/100")
    assert ranged("bytes=100-") == (416, b"", "bytes */100")
    assert ranged("lines=1-2") == (200, content, None)
    assert ask(hub, "GET", address, headers={"If-Match": '"other"'}).status_code == 412
    assert ask(hub, "GET", address, headers={"If-None-Match": f'"{oid}"'}).status_code == 304


def test_a_card_is_judged(hub: HubServer) -> None:
    """YAML that does not parse is an error, a card without any a warning."""

    def judged(content: str) -> tuple[int, int, int]:
        answer = ask(hub, "POST", "/api/validate-yaml", json={"content": content, "repoType": "dataset"})
        return answer.status_code, len(answer.json()["errors"]), len(answer.json()["warnings"])

    assert judged("---\nlicense: odc-by\n---\n# Rows") == (200, 0, 0)
    assert judged("# Rows") == (200, 0, 1)
    assert judged("---\nlicense: [\n---\n") == (400, 1, 0)
    assert judged("---\n- a\n---\n") == (400, 1, 0)
    assert judged("---\nconfigs: default\n---\n") == (400, 1, 0)


def test_text_stays_in_git_and_data_goes_to_lfs(hub: HubServer) -> None:
    """Suffix, size and a binary sample decide, by the repository's .gitattributes; what is there already is told."""
    commit(hub, file(".gitattributes", b"*.txt filter=lfs\n"), file("notes.md", b"notes"))
    text, binary = base64.b64encode(b"text").decode(), base64.b64encode(b"a\0b").decode()
    asked = [("a.txt", 4, text), ("notes.md", 5, text), ("b", 3, binary), ("c.md", 11 * 1024 * 1024, text)]
    body = {"files": [{"path": path, "size": size, "sample": sample} for path, size, sample in asked]}
    told = ask(hub, "POST", f"{ROWS}/preupload/main", token=hub.add_user("alice"), json=body).json()["files"]
    assert [one["uploadMode"] for one in told] == ["lfs", "regular", "lfs", "lfs"]
    assert told[1]["oid"] == hashlib.sha1(b"blob 5\0notes").hexdigest()


def test_rate_limits_are_told(hub: HubServer) -> None:
    """Every API answer says how many requests are left, as the Hub does."""
    first, second = (ask(hub, "GET", ROWS).headers["RateLimit"] for _ in range(2))
    left = [int(re.fullmatch(r'"api";r=(\d+);t=\d+', told)[1]) for told in (first, second)]  # type: ignore[index]
    assert left[0] - left[1] == 1
    assert ask(hub, "GET", ROWS).headers["RateLimit-Policy"] == '"fixed window";"api";q=1000;w=300'


def test_visibility_can_change(hub: HubServer) -> None:
    """A repository that is made private is gone for strangers, and from the list."""
    token = hub.add_user("alice")
    assert [one["id"] for one in ask(hub, "GET", "/api/datasets").json()] == ["alice/rows"]
    assert ask(hub, "PUT", f"{ROWS}/settings", token=token, json={"visibility": "private"}).status_code == 200
    assert ask(hub, "GET", ROWS).status_code == 401
    assert ask(hub, "GET", "/api/datasets").json() == []
    assert len(ask(hub, "GET", "/api/datasets", token=token, params={"author": "alice"}).json()) == 1


def test_secrets_are_for_the_owner_of_the_folder(hub: HubServer) -> None:
    """Tokens and the signing key are in files that nobody else can read; a user keeps the same token."""
    assert hub.add_user("alice") == hub.add_user("alice") != hub.read_token("alice")
    for name in ("users.json", "signing-key.json"):
        assert stat.S_IMODE((hub.folder / name).stat().st_mode) == 0o600
    with pytest.raises(UsageError):
        hub.add_user("../alice")


def test_one_server_to_a_folder_and_a_port(hub: HubServer, tmp_path: Path) -> None:
    """A second server on the same folder or the same port says so."""
    with pytest.raises(DevnetError, match="another Hub serves"):
        HubServer(hub.folder).start()
    with pytest.raises(DevnetError, match="is taken"):
        HubServer(tmp_path / "other", port=hub.port).start()
    with HubServer(tmp_path / "other"):
        pass
    with pytest.raises(DevnetError, match="not running"):
        HubServer(tmp_path / "other").add_user("alice")


def served(folder: Path, port: int) -> tuple[subprocess.Popen[str], int, str]:
    """A server in a process of its own: process, port, alice's token."""
    process = subprocess.Popen([sys.executable, "-c", SERVE, folder, str(port)], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    told = process.stdout.readline().split()
    return process, int(told[0]), told[1]


class Elsewhere:
    """A server in another process, as far as a client needs to know it."""

    def __init__(self, port: int) -> None:
        self.port, self.endpoint = port, f"http://127.0.0.1:{port}"


@pytest.mark.parametrize("xet", sampled([True, False]), ids=["xet", "lfs"])
@pytest.mark.nightly
def test_a_killed_server_serves_the_same_again(tmp_path: Path, xet: bool) -> None:
    """After kill -9 and a start on the same folder and port: same token, same commits, same bytes."""
    script = """
    if not api.repo_exists(REPO, repo_type="dataset"):
        open("a.bin", "wb").write(os.urandom(200_000))
        api.create_repo(REPO, repo_type="dataset", private=True)
        api.upload_file(path_or_fileobj="a.bin", path_in_repo="a.bin", repo_id=REPO, repo_type="dataset")
    info = api.dataset_info(REPO, files_metadata=True)
    copy = hf_hub_download(REPO, "a.bin", repo_type="dataset", cache_dir=info.sha + str(os.getpid()))
    result = [info.sha, info.siblings[1].lfs.sha256, sha256(copy) == sha256("a.bin")]
    """
    process, port, token = served(tmp_path / "hub", 0)
    try:
        hub: Any = Elsewhere(port)
        first = client(tmp_path / "home", hub, script, token=token, xet=xet)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        process, again, same = served(tmp_path / "hub", port)
        assert (again, same) == (port, token)
        assert client(tmp_path / "home", hub, script, token=token, xet=xet) == first
        assert first[2] is True
    finally:
        process.kill()
        process.communicate()


@pytest.mark.nightly
def test_memory_stays_flat(tmp_path: Path) -> None:
    """Sending 150 MB in and out takes less than 40 MB over what the server has before."""

    def peak_mb() -> float:
        status = Path(f"/proc/{process.pid}/status").read_text()
        found = re.search(r"VmHWM:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else pytest.skip("no /proc")

    path = tmp_path / "big.bin"
    block, digest = os.urandom(1_000_000), hashlib.sha256()
    with path.open("wb") as big:
        for _ in range(150):
            big.write(block)
            digest.update(block)
    process, port, token = served(tmp_path / "hub", 0)
    try:
        hub: Any = Elsewhere(port)
        body = {"name": "rows", "type": "dataset"}
        ask(hub, "POST", "/api/repos/create", token=token, json=body)
        hub.add_user = lambda _name: token
        before = peak_mb()
        oid, size = digest.hexdigest(), path.stat().st_size
        with path.open("rb") as big:
            assert ask(hub, "PUT", lfs_upload(hub, oid, size)["upload"]["href"], data=big).status_code == 200
        assert commit(hub, ("lfsFile", {"path": "big.bin", "algo": "sha256", "oid": oid, "size": size}))[0] == 200
        address = ask(hub, "GET", "/datasets/alice/rows/resolve/main/big.bin").headers["Location"]
        with ask(hub, "GET", address, stream=True) as answer:
            assert sum(len(part) for part in answer.iter_content(1 << 20)) == size
        assert peak_mb() - before < 40
    finally:
        process.kill()
        process.communicate()


def test_an_upload_that_breaks_off_leaves_nothing(hub: HubServer) -> None:
    """A client that hangs up in mid-body leaves no content and no temporary file."""
    address = lfs_upload(hub, "0" * 64, 1000)["upload"]["href"]
    target = address.removeprefix(hub.endpoint)
    with socket.create_connection(("127.0.0.1", hub.port)) as broken:
        broken.sendall(f"PUT {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nhalf".encode())
    deadline = time.monotonic() + 300
    while hub.requests.count("^/_lfs/") == 0 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert hub.requests.count("^/_lfs/") == 1
    assert not list((hub.folder / "incoming").iterdir())
    assert lfs_upload(hub, "0" * 64, 1000), "still not stored"


def test_a_frozen_request_does_not_hold_up_the_end(tmp_path: Path) -> None:
    """A server stops although a request is stalled for far longer."""
    with HubServer(tmp_path / "hub") as hub:
        hub.faults.add(Fault(path="/api/", stall_s=1000))
        with pytest.raises(requests.Timeout):
            requests.get(f"{hub.endpoint}/api/datasets", timeout=0.2)
        frozen = socket.create_connection(("127.0.0.1", hub.port))
        hub.faults.add(Fault(path="/api/", stall_s=1000))
        frozen.sendall(b"GET /api/datasets HTTP/1.1\r\nHost: x\r\n\r\n")
        time.sleep(0.1)
        began = time.monotonic()
    assert time.monotonic() - began < 100
    frozen.close()
