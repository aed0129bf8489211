"""A verdict's process: whatever becomes of it is no evidence, and nothing of it is left running."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from finest.sandbox import seccomp
from finest.settings import default_cache
from finest.validator.budget import CPU_S
from finest.validator.loop import verdict
from finest.validator.loop.verdict import VerdictResult, environment, run_verdict
from finest.validator.loop.verdict_process import ADDRESS_BYTES, FILE_BYTES, HARD, Job
from finest.validator.models import Plan
from tests.validator.made import Published

pytestmark = pytest.mark.slow

PATIENCE_S = 60.0
FEW = Plan(rows=6, windows=3, window_pages=5)
MakeJob = Callable[..., Job]


@pytest.fixture
def job(honest: Published, tmp_path: Path) -> MakeJob:
    """A verdict on Alice's dataset, of its WARCs as files."""

    def make(**changes: object) -> Job:
        told = {
            "subject": honest.subject(), "plan": FEW, "place": str(honest.folder), "heldout": (), "tier": 1,
            "device": None, "tokens": 1000,
            "warcs": tuple(map(str, honest.warcs)), "index": tmp_path / "fingerprints.db", "cache": default_cache(),
            "cc_https": "http://127.0.0.1:1", "cc_bucket": "commoncrawl",
        }  # fmt: skip
        return Job(**told | changes)  # type: ignore[arg-type]

    return make


@pytest.fixture
def silent(job: MakeJob, honest: Published, monkeypatch: pytest.MonkeyPatch) -> Iterator[Job]:
    """A verdict that hangs with its dataset open: Common Crawl takes connections, and never says a word."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield job(
            cc_https=address,
            warcs=tuple(f"crawl-data/{str(path).partition('crawl-data/')[2]}" for path in honest.warcs),
        )


class Judging(threading.Thread):
    """A verdict in the making."""

    def __init__(self, job: Job, wall_s: float = PATIENCE_S) -> None:
        super().__init__(daemon=True)
        self._job, self._wall_s, self.stop = job, wall_s, threading.Event()
        self.said: list[str] = []
        self.done: VerdictResult | None = None
        self.start()

    def run(self) -> None:
        self.done = run_verdict(self._job, self.stop, self.said.append, self._wall_s)

    def ended(self) -> VerdictResult:
        self.join(PATIENCE_S)
        assert self.done is not None, self.said
        return self.done

    def wait_until_said(self, words: str) -> int:
        """The child's process id."""
        wait_until(lambda: any(words in line for line in self.said) or self.done is not None)
        assert self.done is None, self.done
        return next(pid for pid in children(os.getpid()) if "finest.validator.loop.verdict_process" in command(pid))


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def stat(pid: int) -> list[str]:
    """State, parent, group, session and more; nothing where there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def children(pid: int) -> list[int]:
    return [one for one in processes() if stat(one)[1:2] == [str(pid)]]


def session(pid: int) -> list[int]:
    """Processes of the session that this one began; dead ones that nobody has asked for are none."""
    return [one for one in processes() if (found := stat(one)) and found[3] == str(pid) and found[0] != "Z"]


def command(pid: int) -> str:
    return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")


def test_evidence_comes_back(job: MakeJob, honest: Published) -> None:
    """What the audit finds, of the subject and plan that were given; what it says is heard line by line."""
    said: list[str] = []
    done = run_verdict(job(), threading.Event(), said.append)
    assert done.evidence is not None, (done.why, said)
    assert (done.evidence.subject, done.evidence.plan) == (honest.subject(), FEW)
    assert all(row.outcome == "same" for row in done.evidence.rows)
    assert done.evidence.signature is None
    assert done.cpu_s > 0.5
    assert any(line.startswith("Judging up to 6 of") for line in said)


@pytest.mark.nightly
def test_a_passed_audit_is_measured(job: MakeJob, crawl: list[Path]) -> None:
    """Quality, factors and score are in the evidence, with the WARCs that nobody was given."""
    done = run_verdict(job(heldout=tuple(map(str, crawl[2:])), tokens=1_000_000), threading.Event(), lambda _: None)
    assert done.evidence is not None, done.why
    assert (done.evidence.verdict, done.evidence.quality is not None) == ("pass", True), done.evidence.why
    assert 0.5 < (done.evidence.total or 0) < 1
    assert done.evidence.quality is not None
    assert str(done.evidence.quality.figures["heldout"]).count(".warc.gz") == 2


def test_a_killed_child_is_no_evidence(silent: Job) -> None:
    """kill -9, as the kernel does it where memory is short. Its reader of Parquet ends with it."""
    judging = Judging(silent)
    pid = judging.wait_until_said("Judging up to")
    wait_until(lambda: len(session(pid)) == 2)
    os.kill(pid, signal.SIGKILL)
    done = judging.ended()
    assert (done.evidence, "ended with status -9" in done.why) == (None, True)
    assert done.cpu_s > 0.5
    wait_until(lambda: not session(pid))


def test_a_child_that_hangs_is_ended(silent: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its time is up: no evidence, its CPU seconds count, and neither it nor its reader is left."""
    ahead_s = [0.0]
    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + ahead_s[0], sleep=time.sleep)
    monkeypatch.setattr(verdict, "time", clock)
    judging = Judging(silent, wall_s=3600.0)
    pid = judging.wait_until_said("Judging up to")
    ahead_s[0] = 3600.0
    done = judging.ended()
    assert (done.evidence, done.why) == (None, "the check took longer than 3600 s")
    assert done.cpu_s > 0
    wait_until(lambda: not session(pid))


def test_a_child_ends_when_the_validator_stops(silent: Job) -> None:
    """At once, though its own deadline is far."""
    judging = Judging(silent)
    pid = judging.wait_until_said("Judging up to")
    judging.stop.set()
    done = judging.ended()
    assert (done.evidence, done.why) == (None, "stopped")
    wait_until(lambda: not session(pid))


def test_a_stop_before_the_beginning_is_heard(job: MakeJob) -> None:
    """No verdict is begun that nobody waits for."""
    stop = threading.Event()
    stop.set()
    assert run_verdict(job(), stop, lambda _: None).why == "stopped"


@pytest.mark.nightly
def test_limits_and_environment_of_the_child(silent: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the kernel has them: CPU, address space, files, no core dumps, niceness; and no secret."""
    secrets = ("HF_TOKEN", "BT_PW__ROOT_WALLET", "DATABASE_URL", "VALIDATOR_DATABASE_URL", "WALLET_PASSWORD")
    for name in secrets:
        monkeypatch.setenv(name, "a secret")
    judging = Judging(silent)
    pid = judging.wait_until_said("Judging up to")
    limits = Path(f"/proc/{pid}/limits").read_text()
    for name, most in (("cpu time", HARD * int(CPU_S)), ("address space", ADDRESS_BYTES), ("file size", FILE_BYTES)):
        assert re.search(rf"^Max {name} +{most} ", limits, re.MULTILINE), limits
    assert re.search(r"^Max core file size +0 ", limits, re.MULTILINE)
    assert int(stat(pid)[16]) >= 5
    if os.geteuid() == 0:  # its memory is hidden from other processes of its user
        told = Path(f"/proc/{pid}/environ").read_text()
        assert "a secret" not in told
        assert "PATH=" in told
    confined = re.search(r"^Seccomp:\s+(\d)$", Path(f"/proc/{pid}/status").read_text(), re.MULTILINE)
    assert confined
    assert confined[1] == ("2" if seccomp.is_supported() else "0")
    judging.stop.set()
    judging.ended()


def test_what_the_child_is_told() -> None:
    """Where things lie and how to get there; of keys only those of the bucket."""
    kept = {
        "PATH": "p", "HOME": "h", "https_proxy": "x", "NO_PROXY": "x", "HF_ENDPOINT": "e", "HF_HUB_DISABLE_XET": "1",
        "AWS_ACCESS_KEY_ID": "a", "LC_ALL": "C", "PYTHONPATH": "s", "LD_LIBRARY_PATH": "l", "SSL_CERT_FILE": "c",
    }  # fmt: skip
    secret = {
        "HF_TOKEN": "t", "HUGGING_FACE_HUB_TOKEN": "t", "DATABASE_URL": "d", "VALIDATOR_DATABASE_URL": "d",
        "PGPASSWORD": "p", "BT_PW_COLD": "p", "WANDB_API_KEY": "k", "GITHUB_TOKEN": "t", "HF_OIDC_RESOURCE": "o",
    }  # fmt: skip
    assert environment(kept | secret) == kept | {"HF_TOKEN_PATH": os.devnull}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"index": Path("/dev/null/fingerprints.db")}, "status 1: RunError: the index of fingerprints /dev/null"),
        ({"warcs": ("no-such.warc.gz",)}, "status 1: SourceError: no-such.warc.gz: no such file"),
    ],
    ids=["index", "warc"],
)
def test_a_child_that_cannot_begin_says_why(job: MakeJob, changes: dict[str, object], words: str) -> None:
    """What is wrong with this machine is no evidence against anybody."""
    done = run_verdict(job(**changes), threading.Event(), lambda _: None)
    assert (done.evidence, words in done.why) == (None, True), done.why


@pytest.mark.nightly
def test_a_child_without_a_cache_finds_nothing(job: MakeJob) -> None:
    """The audit ends without evidence, and says which setting names the folder."""
    done = run_verdict(job(cache=Path("/dev/null/nowhere")), threading.Event(), lambda _: None)
    assert done.evidence is not None, done.why
    assert (done.evidence.verdict, "FINEST_CACHE" in done.evidence.why) == ("no_evidence", True)


def test_a_child_does_not_outlive_its_validator(silent: Job, tmp_path: Path) -> None:
    """kill -9 of the validator: the verdict in the making ends too, with its reader."""
    (tmp_path / "job.json").write_text(silent.model_dump_json())
    program = """
        import sys, threading
        from pathlib import Path
        from finest.validator.loop.verdict_process import Job
        from finest.validator.loop.verdict import run_verdict
        run_verdict(Job.model_validate_json(Path(sys.argv[1]).read_text()), threading.Event(), print)
    """
    asked = [sys.executable, "-u", "-c", textwrap.dedent(program), str(tmp_path / "job.json")]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) as validator:
        assert validator.stdout
        assert "Judging up to" in validator.stdout.readline()
        (child,) = children(validator.pid)
        wait_until(lambda: len(session(child)) == 2)
        validator.kill()
    wait_until(lambda: not session(child))
