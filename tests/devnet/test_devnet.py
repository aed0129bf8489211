"""The devnet as a whole: its processes, its folder, its environment."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from finest.devnet.bucket import Bucket
from finest.devnet.devnet import Devnet
from finest.devnet.environment import as_json, as_shell
from finest.devnet.processes import ServiceProcess
from finest.errors import DevnetError

QUICK = ("bucket", "crawl")
"""Services that start in half a second."""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Devnet]:
    """One that tests only look at."""
    with Devnet(tmp_path_factory.mktemp("shared") / "devnet", services=QUICK) as made:
        yield made


@pytest.fixture
def devnet(tmp_path: Path) -> Iterator[Devnet]:
    """Up without being tied to this process."""
    made = Devnet(tmp_path / "devnet", services=QUICK)
    made.up()
    yield made
    made.down()


def pids(devnet: Devnet) -> dict[str, int | None]:
    return {one.name: one.pid for one in devnet.status()}


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_it_comes_up_and_goes_down(tmp_path: Path) -> None:
    """Inside the context every service answers; after it none runs, and what they held is still there."""
    with Devnet(tmp_path / "devnet", services=QUICK) as devnet:
        assert [(one.name, one.up, one.problem) for one in devnet.status()] == [(name, True, None) for name in QUICK]
    assert [(one.up, one.pid, one.problem) for one in devnet.status()] == [(False, None, "not started")] * 2
    assert list((tmp_path / "devnet" / "bucket").rglob("*.warc.gz"))


@pytest.mark.nightly
def test_up_twice_is_up_once(devnet: Devnet) -> None:
    """What runs is left alone, whoever asks."""
    before = pids(devnet)
    devnet.up()
    assert pids(devnet) == pids(Devnet(devnet.folder, services=QUICK)) == before
    Devnet(devnet.folder, services=QUICK).up()
    assert pids(devnet) == before


@pytest.mark.nightly
def test_down_twice_is_down_once(devnet: Devnet) -> None:
    """Any process may stop it; there is nothing to stop after that, nor where no devnet ever was."""
    assert Devnet(devnet.folder).down() == list(QUICK)
    assert devnet.down() == []
    assert Devnet(devnet.folder / "none").down() == []


@pytest.mark.nightly
def test_a_killed_service_is_noticed_and_started_again(devnet: Devnet) -> None:
    """After kill -9 it is down and the others are not; `up` brings it back at its old address with what it held."""
    before, addresses = pids(devnet), [one.address for one in devnet.status()]
    os.kill(before["bucket"] or 0, signal.SIGKILL)
    wait_until(lambda: not devnet.status()[0].up)
    bucket, crawl = devnet.status()
    assert (bucket.pid, bucket.problem) == (None, "killed, or ended without output")
    assert (crawl.up, crawl.pid) == (True, before["crawl"])
    assert all(one.up for one in devnet.up())
    assert [one.address for one in devnet.status()] == addresses
    assert devnet.bucket.fill() == 0


@pytest.mark.nightly
def test_a_frozen_service_is_noticed(devnet: Devnet) -> None:
    """A service that runs but answers nothing is not up."""
    pid = pids(devnet)["crawl"] or 0
    os.kill(pid, signal.SIGSTOP)
    try:
        assert devnet.status()[1].problem == "it runs, but does not answer"
        assert devnet.status()[1].pid == pid
    finally:
        os.kill(pid, signal.SIGCONT)
    assert devnet.status()[1].up
    assert devnet.crawl.requests() == [], "looking at it leaves no trace"


@pytest.mark.nightly
def test_two_devnets_side_by_side(shared: Devnet, tmp_path: Path) -> None:
    """They share neither ports nor secrets: the one refuses the other's credentials."""
    with Devnet(tmp_path / "other", services=QUICK) as other:
        assert not set(shared.state.ports.values()) & set(other.state.ports.values())
        stranger = Bucket(other.bucket.endpoint, shared.bucket.keys)
        with pytest.raises(Exception, match=r"InvalidAccessKeyId|SignatureDoesNotMatch|AccessDenied"):
            stranger.client().list_buckets()
    assert all(one.up for one in shared.status())


@pytest.mark.nightly
def test_a_port_taken_meanwhile_is_replaced(devnet: Devnet) -> None:
    """A service whose port another program took gets another one; the rest keep theirs."""
    devnet.down()
    before = devnet.state.ports
    with socket.create_server(("127.0.0.1", before["crawl"])):
        assert all(one.up for one in devnet.up())
        after = devnet.state.ports
    assert after["crawl"] != before["crawl"]
    assert after["bucket"] == before["bucket"]


def test_what_cannot_start_does_not_keep_the_rest_down(tmp_path: Path) -> None:
    """The others run without it, and why it does not is said in its own words."""
    devnet = Devnet(tmp_path, services=QUICK)
    (tmp_path / "bucket").write_text("a file where a folder should be")
    bucket, crawl = devnet.up()
    assert (bucket.up, crawl.up) == (False, True)
    assert str(tmp_path / "bucket") in str(bucket.problem)
    devnet.down()
    with pytest.raises(DevnetError, match="bucket: "), Devnet(tmp_path, services=QUICK):
        pass
    assert [one.up for one in devnet.status()] == [False, False], "a context that fails leaves nothing behind"


def test_it_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    """A test run that is killed leaves no services behind."""
    script = (
        "import sys, time; from pathlib import Path; from finest.devnet.devnet import Devnet\n"
        "with Devnet(Path(sys.argv[1]), services=('bucket', 'crawl')): print('up', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        assert holder.stdout.readline() == b"up\n"
        processes = [ServiceProcess(tmp_path, name) for name in QUICK]
        assert all(process.alive for process in processes)
        holder.kill()
    wait_until(lambda: not any(process.alive for process in processes))


# -- the chain and the Hub among the others


def test_other_processes_drive_the_chain(tmp_path: Path, cache: Path) -> None:
    """Blocks, faults and refusals go over the wire; a frozen chain is noticed, and can be thawed."""
    pytest.importorskip("bittensor_core")
    with Devnet(tmp_path, services=("chain",), cache=cache) as devnet:
        before = devnet.chain.advance()
        assert devnet.chain.advance(5) >= before + 5
        devnet.chain.set_faults(freeze=True)
        assert [one.problem for one in devnet.status()] == ["it runs, but does not answer"]
        devnet.chain.set_faults(freeze=False)
        assert [one.up for one in devnet.status()] == [True]
        with pytest.raises(DevnetError, match="devnet_fund"):
            devnet.chain.fund("nobody", 1)


@pytest.mark.nightly
def test_metadata_that_cannot_be_had_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a train with an empty cache the rest runs, and what the chain lacks is said."""
    pytest.importorskip("bittensor_core")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    devnet = Devnet(tmp_path / "devnet", services=("crawl", "chain"), cache=tmp_path / "cache")
    crawl, chain = devnet.up()
    devnet.down()
    assert (crawl.up, chain.up) == (True, False)
    assert "source distribution of bittensor" in str(chain.problem)


@pytest.mark.nightly
def test_each_user_of_the_hub_has_a_token(tmp_path: Path) -> None:
    """Tokens stay the same when the Hub starts again; users that are named later are added."""
    pytest.importorskip("fastapi")
    with Devnet(tmp_path, services=("hub",)) as devnet:
        assert list(devnet.hub.tokens) == ["devnet"]
        token = devnet.hub.tokens["devnet"]
        assert devnet.environment()["HF_TOKEN"] == token
    with Devnet(tmp_path, services=("hub",), users=("alice", "bob")) as devnet:
        assert set(devnet.hub.tokens) == {"devnet", "alice", "bob"}
        assert devnet.hub.tokens["devnet"] == token
        assert devnet.environment()["HF_TOKEN"] == devnet.hub.tokens["alice"]
        assert devnet.hub.requests() == []


def test_the_hub_fails_when_told(tmp_path: Path) -> None:
    """Faults reach the Hub's process, and it remembers what it was asked."""
    from finest.devnet.hub.faults import Fault

    with Devnet(tmp_path, services=("hub",)) as devnet:
        devnet.hub.add_faults(Fault(path="/api/datasets", status=503))
        answers = [requests.get(f"{devnet.hub.endpoint}/api/datasets/a/b", timeout=60).status_code for _ in range(2)]
        assert answers[0] == 503
        assert answers[1] != 503
        assert [one.status for one in devnet.hub.requests()] == answers
        devnet.hub.forget()
        assert devnet.hub.requests() == []


# -- secrets


def test_secrets_are_the_owners_alone(shared: Devnet) -> None:
    """Nobody else may read the folder, nor a file in it that holds a secret."""
    secret = shared.bucket.keys.secret_key.encode()
    assert stat.S_IMODE(shared.folder.stat().st_mode) == 0o700
    holders = [path for path in shared.folder.rglob("*") if path.is_file() and secret in path.read_bytes()]
    assert {path.name for path in holders} == {"devnet.json", "nanio.toml"}
    assert {stat.S_IMODE(path.stat().st_mode) for path in holders} == {0o600}
    assert secret.decode() not in repr(shared.bucket) + repr(shared.state)


def test_no_secret_stands_in_a_command_line(shared: Devnet) -> None:
    """Every user of a machine sees command lines."""
    for pid in pids(shared).values():
        assert shared.bucket.keys.secret_key.encode() not in Path(f"/proc/{pid}/cmdline").read_bytes()
        assert shared.bucket.keys.secret_key.encode() not in Path(f"/proc/{pid}/environ").read_bytes()


def test_it_listens_on_loopback_alone(shared: Devnet) -> None:
    """Nobody on the network reaches a devnet."""
    listening = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"]
    ours = {f"{port:04X}" for port in shared.state.ports.values()}
    addresses = {words[1].split(":")[0] for words in listening if words[1].split(":")[1] in ours}
    assert addresses == {"0100007F"}


# -- the folder


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    """What is no devnet is neither read nor thrown away."""
    with pytest.raises(DevnetError, match="no devnet here; start one with `finest devnet up`"):
        Devnet(tmp_path).status()
    with pytest.raises(DevnetError, match="no devnet here"):
        Devnet(tmp_path).remove()
    (tmp_path / "devnet.json").write_text('{"format": "finest-devnet/9"}')
    with pytest.raises(DevnetError, match=r"not the devnet.json of this version"):
        Devnet(tmp_path).up()
    assert (tmp_path / "devnet.json").exists()


def test_remove_leaves_nothing(devnet: Devnet) -> None:
    """Stopped and gone."""
    assert devnet.remove() == list(QUICK)
    assert not devnet.folder.exists()


# -- the environment


def test_the_environment_leads_here_alone(shared: Devnet, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's own profile, session and proxy do not reach a program that is meant for the devnet."""
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "https://s3.example.org")
    monkeypatch.setenv("no_proxy", "intern.example.org")
    found = shared.process_environment()
    assert not {"AWS_PROFILE", "AWS_ENDPOINT_URL_S3"} & set(found)
    assert found["no_proxy"] == found["NO_PROXY"] == "intern.example.org,127.0.0.1,localhost"
    assert found["PATH"] == os.environ["PATH"]
    assert found["FINEST_CC_HTTPS"] == shared.crawl.endpoint
    assert not Path(found["AWS_SHARED_CREDENTIALS_FILE"]).exists()


def test_without_s3_there_are_no_credentials(shared: Devnet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Common Crawl's files are read over HTTP then, whatever a `.env` says."""
    (tmp_path / ".env").write_text("AWS_ACCESS_KEY_ID=mine\nAWS_SECRET_ACCESS_KEY=mine\n")
    script = (
        "from finest.settings import load_settings; from finest.warc.source import CommonCrawl, resolve\n"
        "s = load_settings(); print(*resolve(['crawl-data/CC-MAIN-2025-26/a.warc.gz'], "
        "CommonCrawl(s.cc_https, s.cc_bucket)))"
    )
    for s3, location in ((True, "s3://commoncrawl"), (False, shared.crawl.endpoint)):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env=shared.process_environment(s3=s3),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=300,
            check=True,
        )
        assert done.stdout.strip() == f"{location}/crawl-data/CC-MAIN-2025-26/a.warc.gz"


VALUES = {"A": "plain", "B": "it's \\ two words", "C": '$HOME `x` "q"', "D": ""}


@pytest.mark.parametrize(("shell", "command"), [("sh", "sh"), ("sh", "bash"), ("fish", "fish")])
def test_a_shell_takes_it(shell: str, command: str) -> None:
    """Whatever a value holds, the shell sets it to that, and takes out what leads away."""
    if not shutil.which(command):
        pytest.skip(f"no {command}")
    show = f'{sys.executable} -c "import json, os; print(json.dumps(dict(os.environ)))"'
    done = subprocess.run(
        [command, "-c", f"{as_shell(VALUES, shell)}\n{show}"],
        env={**os.environ, "AWS_PROFILE": "mine"},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    found = json.loads(done.stdout)
    assert VALUES.items() <= found.items()
    assert "AWS_PROFILE" not in found
    assert done.stderr == ""


def test_json_says_what_to_take_out() -> None:
    """null is for what is to be unset."""
    assert json.loads(as_json({"A": "b"})) | {"AWS_PROFILE": None, "A": "b"} == json.loads(as_json({"A": "b"}))
