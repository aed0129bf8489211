"""A run's folder that something has damaged: one line that names the file and says what to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from finest.dataset.manifest import read_manifest
from finest.errors import FinestError, LedgerError, UsageError
from finest.pipeline.deaths import Deaths
from finest.pipeline.ledger import Ledger
from finest.pipeline.report.read import report_of
from finest.pipeline.run import refine
from finest.pipeline.why import find_verdicts
from finest.warc.slices import Slice

from .test_run import Listener
from .test_secrets import WARC, options


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, with its source beside it."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "a.warc.gz").write_bytes(WARC)
    refine(options(str(folder / "a.warc.gz"), folder / "out"), Listener())
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """The same, to be damaged."""
    shutil.copytree(finished, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def judged(finished: Path) -> Path:
    """The same run, killed before it packed its source."""
    with pytest.MonkeyPatch.context() as patch, suppress(LedgerError):
        patch.setattr(Ledger, "close_source", lambda *_: {})
        refine(options(str(finished / "a.warc.gz"), finished / "judged"), Listener())
    return finished / "judged"


@pytest.mark.parametrize("data", [b"", b"PAR1", b"\0\xff" * 900, None])
@pytest.mark.parametrize("name", ["rows.parquet", "verdicts.parquet", "signatures.npy", "slice.json"])
def test_a_damaged_slice_is_named(run: Path, judged: Path, name: str, data: bytes | None, tmp_path: Path) -> None:
    """The folder to remove is named, and once it is, the run goes on to the same root."""
    root = read_manifest(run / "out").root
    out = tmp_path / "judged"
    shutil.copytree(judged, out)
    path = out / "ledger" / "slices" / "000" / "00000" / "00000" / name
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(FinestError) as found:
        refine(options(str(run / "a.warc.gz"), out), Listener())
    assert f"remove {path.parent} and run again" in str(found.value)
    shutil.rmtree(path.parent)
    assert refine(options(str(run / "a.warc.gz"), out), Listener()).root == root


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
def test_a_cut_pack_is_named(run: Path, share: float) -> None:
    """Also one in which a byte has changed; once it is removed, its source is judged again, to the same root."""
    out = run / "out"
    root = read_manifest(out).root
    (out / "manifest.json").unlink()
    path = out / "ledger" / "packs" / "000" / "00000.pack"
    whole = path.read_bytes()
    cut = int(len(whole) * share)
    for damaged in (whole[:cut], whole[:50] + bytes([whole[50] ^ 1]) + whole[51:], whole[:-30] + b"1" + whole[-29:]):
        path.write_bytes(damaged)
        with pytest.raises(LedgerError, match=rf"{path}.*; remove {path} and run again"):
            refine(options(str(run / "a.warc.gz"), out), Listener())
    path.unlink()
    assert refine(options(str(run / "a.warc.gz"), out), Listener()).root == root


def test_a_ledger_of_an_earlier_version_is_refused(run: Path) -> None:
    """In plain words, with what to do; --restart deletes it."""
    out = run / "out"
    (out / "ledger" / "run.json").write_text('{"format": "finest-ledger/1", "sources": []}')
    (out / "ledger" / "slices" / "00000-00000").mkdir(parents=True)
    wanted = options(str(run / "a.warc.gz"), out)
    for read in (lambda: refine(wanted, Listener()), lambda: report_of(out)):
        with pytest.raises(LedgerError, match=r"an earlier version .*: finish it with that version, or .*--restart"):
            read()
    assert refine(replace(wanted, restart=True), Listener()).rows
    assert not (out / "ledger" / "slices").exists() or not list((out / "ledger" / "slices").glob("*-*"))


@pytest.mark.parametrize(
    "text",
    ["", "[1]", "null", "{}", '{"format": "finest-ledger/2"}', '{"format": "finest-ledger/2", "recipe": []}', "["],
)
def test_a_damaged_plan_is_named(run: Path, text: str) -> None:
    """run.json or the table of the sources, cut or of another shape."""
    for name in ("sources.jsonl", "run.json"):
        (run / "out" / "ledger" / name).write_text(text)
        with pytest.raises(LedgerError, match=r"run\.json"):
            Ledger.read(run / "out")


@pytest.mark.parametrize(("name", "read"), [("", Deaths.crashed), (".limits", Deaths.limited)])
def test_damaged_notes_of_crashes_are_named(run: Path, name: str, read: Callable[[Deaths, Slice], set[int]]) -> None:
    """They decide which pages are passed over."""
    ledger = Ledger.read(run / "out")
    path = ledger.folder / "crashes" / f"00000-00000{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text("[3]")
    with pytest.raises(LedgerError, match="remove it and run again"):
        read(ledger.deaths, ledger.plan.slices[0])


def test_damaged_verdicts_are_named(run: Path) -> None:
    """Whoever reads them: why, report. The manifest away, the dataset is assembled again."""
    out = run / "out"
    path = out / "verdicts" / "local" / "000_00000.parquet"
    page = pq.read_table(path)["id"][0].as_py()
    path.write_bytes(b"PAR1")
    for read in (lambda: find_verdicts(out, "x"), lambda: report_of(out)):
        with pytest.raises(LedgerError, match=r"remove .*manifest\.json and run again"):
            read()
    (out / "manifest.json").unlink()
    refine(options(str(run / "a.warc.gz"), out), Listener())
    assert find_verdicts(out, page)
    assert find_verdicts(out, page.upper()) == find_verdicts(out, page)  # the case of an id does not matter


def test_a_folder_whose_name_is_no_text_is_refused(run: Path) -> None:
    """Arrow cannot write there: said before anything is read."""
    with pytest.raises(UsageError, match="not valid UTF-8"):
        refine(options(str(run / "a.warc.gz"), run / "o\udcff"), Listener())
