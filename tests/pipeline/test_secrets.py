"""Whatever stands in a source's address beside host and path stays in memory: no file and no line ever holds it."""

from __future__ import annotations

import gzip
import stat
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import finest
from finest.errors import LedgerError, SourceError
from finest.executors.request import Allotment
from finest.pipeline import submission as submissions
from finest.pipeline.ledger import Ledger
from finest.pipeline.plan import begin
from finest.pipeline.run import refine
from finest.pipeline.share import opened
from finest.pipeline.slurm.jobs import with_end
from finest.pipeline.submission import ADDRESSES, clean_up
from finest.pipeline.verify import verify
from finest.pipeline.why import why
from finest.recipe.recipe import Recipe
from finest.settings import default_cache
from finest.warc.source import CommonCrawl
from tests.faulty_server import Fault, FaultyServer

from .test_run import Listener, RunOptions

USER, PASSWORD, SIGNATURE = "minerva-user", "pa55-of-minerva", "5ignature0f7his"
SECRETS = (USER, PASSWORD, SIGNATURE, "AKIAMINERVA", "also-secret")
QUERY = f"?X-Amz-Credential=AKIAMINERVA&X-Amz-Signature={SIGNATURE}&odd=also-secret"
WARC = (Path(finest.__file__).parent / "sample" / "sample.warc.gz").read_bytes()
RECIPE = Recipe(name="test")


def options(spec: str, out: Path) -> RunOptions:
    return RunOptions(
        specs=(spec,), out=out, recipe=RECIPE, cache=default_cache(), common_crawl=CommonCrawl(), limit=6
    )  # fmt: skip


def address(server: FaultyServer, query: str = QUERY) -> str:
    return server.base.replace("http://", f"http://{USER}:{PASSWORD}@") + f"/a.warc.gz{query}"


def written(folder: Path) -> bytes:
    """All that is in a folder, as it is and unpacked."""
    parts = []
    for path in folder.rglob("*"):
        parts.append(str(path).encode())
        if path.is_file():
            data = path.read_bytes()
            parts.append(gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data)
    return b"\n".join(parts)


def assert_clean(text: bytes | str) -> None:
    data = text.encode() if isinstance(text, str) else text
    assert not [secret for secret in SECRETS if secret.encode() in data]


def test_a_run_writes_no_secret_anywhere(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Rows, verdicts, manifest, card, ledger, logs, messages, retries: none holds user information or a query."""
    out, said = tmp_path / "out", Listener()
    with FaultyServer({f"/a.warc.gz{QUERY}": WARC}) as server:
        server.state.faults = [Fault("status"), Fault("fin", after=100), Fault("rst", after=50)]
        manifest = refine(options(address(server), out), said)
        assert [source.name for source in manifest.sources] == [f"{server.base}/a.warc.gz"]
        assert manifest.rows
        assert_clean(written(out))
        assert_clean("\n".join(said.said) + "".join(capfd.readouterr()))
        found = verify(out, default_cache(), CommonCrawl(), sample=3)
        assert len(found.no_evidence) == 3 and "--source" in found.no_evidence[0]
        again = verify(out, default_cache(), CommonCrawl(), sample=3, sources=[address(server)])
        assert sum(again.judged.values()) == 3
        page = pq.read_table(next(out.glob("verdicts/*/*.parquet")))["id"][0].as_py()
        with pytest.raises(SourceError, match="--source"):
            why(out, page, default_cache())
        assert why(out, page, default_cache(), [address(server)])


def test_a_pause_is_told_without_secrets_and_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line of progress names the host, the answer and the time, and the ledger keeps no more than that."""
    out, said = tmp_path / "out", Listener()
    with FaultyServer({f"/a.warc.gz{QUERY}": WARC}) as server:
        refusal = Fault("status", status=429, headers=(("Retry-After", "1"),))
        server.state.faults = [Fault("none"), refusal]
        assert refine(options(address(server), out), said).rows
        host = server.base.removeprefix("http://")
        assert any(line.startswith(f"{host} refuses requests (HTTP 429); waiting until") for line in said.said)
        assert len(server.state.seen) == 3
    assert_clean(written(out) + "\n".join(said.said).encode())
    assert list((out / "ledger" / "pauses").iterdir())


def test_a_run_that_fails_says_no_secret(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A server that goes away in the middle of a run: its error, and the worker's traceback, name the bare address."""
    out = tmp_path / "out"
    with FaultyServer({f"/a.warc.gz{QUERY}": WARC}) as server:
        server.state.faults = [Fault("none"), Fault("status", status=404)]
        with pytest.raises(SourceError, match="not found") as failed:
            refine(options(address(server), out), Listener())
    assert_clean(str(failed.value) + "".join(capfd.readouterr()))
    assert_clean(written(out))
    assert b"Traceback" in written(out / "ledger" / "logs")


def test_a_fresh_signature_goes_on(tmp_path: Path) -> None:
    """The same object under another signature is the same source; another object is not."""
    fresh = "?X-Amz-Signature=0ther&X-Amz-Date=20260101T000000Z"
    with FaultyServer({f"/a.warc.gz{QUERY}": WARC, f"/a.warc.gz{fresh}": WARC, "/b.warc.gz": WARC}) as server:
        first = begin(options(address(server), tmp_path / "out"), Listener())
        second = begin(options(address(server, fresh), tmp_path / "out"), Listener())
        assert second.plan.sources[0].location == address(server, fresh)
        assert first.plan.sources[0].name == second.plan.sources[0].name
        with pytest.raises(LedgerError, match="other sources"):
            begin(options(f"{server.base}/b.warc.gz", tmp_path / "out"), Listener())


def test_jobs_get_the_whole_address_and_nobody_else(tmp_path: Path) -> None:
    """What a cluster's jobs need lies in a file of mode 0600 while they are at work, and is removed at the end."""
    with FaultyServer({f"/a.warc.gz{QUERY}": WARC}) as server:
        wanted = options(address(server), tmp_path / "out")
        ledger = begin(wanted, Listener())
        allotment = Allotment("debug", tasks=1, cpus_per_task=1, memory_per_cpu_mb=100, time=None, qos=None, sbatch=())
        made = submissions.new(ledger, allotment, [0], wanted)
        folder = submissions.folder_of(ledger, made.run)
        assert stat.S_IMODE((folder / ADDRESSES).stat().st_mode) == 0o600
        assert opened(folder)[0].plan.sources[0].readable_location() == address(server)
        with pytest.raises(SourceError, match="never written down"):
            Ledger.read(tmp_path / "out").plan.sources[0].readable_location()
        with_end(ledger, made, "finished")
        assert_clean(written(tmp_path / "out"))
        submissions.hand_over(ledger, folder)
        assert (folder / ADDRESSES).exists()
        clean_up(ledger.out)
        assert_clean(written(tmp_path / "out"))


def test_a_public_source_leaves_no_such_file(tmp_path: Path) -> None:
    """An address without secrets is kept in the ledger as it is."""
    with FaultyServer({"/a.warc.gz": WARC}) as server:
        ledger = begin(options(f"{server.base}/a.warc.gz", tmp_path / "out"), Listener())
        submissions.hand_over(ledger, tmp_path)
        assert not (tmp_path / ADDRESSES).exists()
        source = Ledger.read(tmp_path / "out").plan.sources[0]
        assert source.location == f"{server.base}/a.warc.gz" and not source.is_stripped
