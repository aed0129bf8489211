"""The ledger: packs, logs, and what killed and racing processes leave of them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from finest.errors import LedgerError, RunError
from finest.pipeline import ledger as module
from finest.pipeline.done import DoneLog, SliceDone, SourceDone, Tail
from finest.pipeline.ledger import Ledger
from finest.pipeline.pack import write_pack
from finest.pipeline.progress import Progress
from finest.pipeline.run_plan import LOCAL_SLICES, SliceRule
from finest.pipeline.slices import FailureWatch, find_unchained, take_in
from finest.pipeline.source_table import Sources
from finest.pipeline.summary import Totals, merge
from finest.warc.layout import Layout
from finest.warc.slices import plan_slices
from finest.warc.source import Source

from .made_ledger import begin, finish, plan, summary_of, write

NONSENSE = b'\n["p",77,{}]\n["p",1,{"pages":"x"}]\n["p",0,{"surprise":1}]\n{}\n\xff\n7'


def files(ledger: Ledger) -> list[str]:
    """The files of finished work, without logs."""
    found = [path.relative_to(ledger.folder) for path in ledger.folder.rglob("*") if path.is_file()]
    return sorted(str(path) for path in found if path.parts[0] not in ("done", "run.json", "sources.jsonl"))


def test_a_finished_source_is_one_file(tmp_path: Path) -> None:
    """The last slice, in whatever order they come, packs the source; its parts are those of the slices, in order."""
    ledger = begin(tmp_path / "out", sources=2, slices=3)
    slices = ledger.plan.slices
    for number in (2, 0, 5):
        finish(ledger, slices[number])
    summaries = [ledger.summary(slices[0]), ledger.summary(slices[2])]
    assert ledger.source_totals(0) == merge(summaries)
    assert ledger.pending() == [1, 3, 4]
    assert (ledger.has(0), ledger.has(1)) == (False, False)
    finish(ledger, slices[1])
    assert ledger.pending() == [3, 4]
    assert ledger.has(0)
    pack = Ledger.read(tmp_path / "out").pack(0)
    assert files(ledger)[0] == "packs/000/00000.pack"
    assert not ledger.slices_folder(0).exists()
    ids = [id for batch in pack.batches("rows") for id in batch.column("id").to_pylist()]
    assert [int(id[-13:-1]) for id in ids] == [0, 1, 10, 11, 20, 21]
    assert sum(batch.num_rows for batch in pack.batches("verdicts")) == 12
    signatures = pack.signatures()
    assert (signatures.total_rows, signatures.rows().tolist()) == (6, [0, 2, 4])
    assert signatures.column(3, 5).tolist() == [0, 10, 20]
    assert [(part.offset, part.length, part.pages, part.kept) for part in pack.slices] == [
        (0, 1000, 4, 2), (1000, 1000, 4, 2), (2000, 1000, 4, 2),
    ]  # fmt: skip
    assert pack.totals.pages == 12
    assert set(pack.samples()) == {"kept", "language"}


def test_totals_need_no_logs(tmp_path: Path) -> None:
    """They are the same from the logs, without them, and with lines of nonsense in them."""
    ledger = begin(tmp_path / "out", sources=3)
    for number in range(7):
        finish(ledger, ledger.plan.slices[number])
    totals = ledger.totals()
    assert (totals.slices, totals.pages, totals.planned_bytes) == (7, 28, 7000)
    assert totals.samples["kept"] and not ledger.so_far().samples
    (log,) = ledger.folder.glob("done/*.log")
    log.write_bytes(
        log.read_bytes()[:-70] + b'\n["p",77,{}]\n["p",1,{"pages":"x"}]\n["p",0,{"surprise":1}]\n{}\n\xff\n7'
    )
    assert Ledger.read(tmp_path / "out").totals() == totals
    shutil.rmtree(ledger.folder / "done")
    assert Ledger.read(tmp_path / "out").totals() == totals


def test_totals_are_summed_up_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next question reads what is new alone, also where no log names it; a source in work is not kept."""
    ledger = begin(tmp_path / "out", sources=4)
    for number in range(7):
        finish(ledger, ledger.plan.slices[number])
    assert ledger.so_far().pages == 28
    parsed: list[int] = []
    from_dict = Totals.from_dict
    monkeypatch.setattr(Totals, "from_dict", lambda data: (parsed.append(data["pages"]), from_dict(data))[1])
    again = Ledger.read(tmp_path / "out")
    assert again.so_far().pages == 28 and parsed == [24], "the sum of two sources; none of them"
    finish(ledger, ledger.plan.slices[7])
    finish(ledger, ledger.plan.slices[8])
    parsed.clear()
    assert again.so_far().pages == 36 and parsed == [24, 12]
    monkeypatch.setattr(ledger.log, "add", lambda _: None)
    for number in range(9, 12):
        finish(ledger, ledger.plan.slices[number])
    assert again.so_far().pages == again.so_far().pages == 48
    whole = again.so_far()
    shutil.rmtree(ledger.folder / "done")
    assert again.so_far() == whole


@pytest.mark.parametrize(
    "kept", ["", "{}", "[]", '{"counted": 7}', '{"counted": "/w==", "read": {}, "totals": {"a": 1}}']
)
def test_sums_that_cannot_be_used_are_made_again(tmp_path: Path, kept: str) -> None:
    """Damaged ones, and those that count a source that is not finished."""
    ledger = begin(tmp_path / "out", sources=2)
    for number in range(3):
        finish(ledger, ledger.plan.slices[number])
    (ledger.folder / "done" / "sums.json").write_text(kept)
    assert ledger.so_far().pages == 12
    ledger.pack_path(0).unlink()
    assert ledger.so_far().pages == 0


def test_a_follower_reads_only_what_is_new(tmp_path: Path) -> None:
    """A line without its end waits for the end; a line that a killed process cut hides no other."""
    log, other = DoneLog(tmp_path / "done"), DoneLog(tmp_path / "done")
    tail = Tail(tmp_path / "done")
    assert list(tail.news()) == []
    log.add(SliceDone(1, 10, 5, 1.5, {}))
    other.add(SourceDone(0, merge([])))
    assert {type(one) for one in tail.news()} == {SliceDone, SourceDone}
    path = tmp_path / "done" / log.name()
    with path.open("ab") as file:
        file.write(b'\n["s",2,11,')
        file.flush()
        assert list(tail.news()) == []
        log.add(SliceDone(3, 12, 5, 1.5, {"judge_error": 1}))
        assert list(tail.news()) == [SliceDone(3, 12, 5, 1.5, {"judge_error": 1})]
    later = Tail(tmp_path / "done")
    later.skip()
    only = Tail(tmp_path / "done", log.name())
    other.add(SliceDone(4, 13, 5, 1.5, {}))
    assert list(later.news()) == [SliceDone(4, 13, 5, 1.5, {})]
    assert [one.number for one in only.news() if isinstance(one, SliceDone)] == [1, 3]


def test_a_long_log_is_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No line is lost between two parts."""
    monkeypatch.setattr("finest.pipeline.done._CHUNK_BYTES", 100)
    log = DoneLog(tmp_path / "done")
    for number in range(50):
        log.add(SliceDone(number, number, 0, 1.5, {}))
    assert [one.pages for one in Tail(tmp_path / "done").news() if isinstance(one, SliceDone)] == list(range(50))


def test_a_follower_counts_each_slice_once(tmp_path: Path) -> None:
    """Whatever was finished before, whoever finishes the rest, and if a slice is read twice."""
    ledger = begin(tmp_path / "out")
    finish(ledger, ledger.plan.slices[0])
    follower, progress = Ledger.read(tmp_path / "out"), Progress(quiet=True)
    watch = FailureWatch(follower, progress.say)
    progress.begin(follower, watch.found, 1)
    for number in (0, 1, 1, 2, 3):
        finish(ledger, ledger.plan.slices[number])
    take_in(follower, watch, progress)
    take_in(follower, watch, progress)
    assert (watch.missing, watch.found.slices, watch.found.pages) == (2, 4, 16)
    assert progress.rates and progress.rates.bytes == 4000
    finish(ledger, ledger.plan.slices[4], reasons={"judge_error": 20}, pages=20)
    with pytest.raises(RunError, match="20 of 36 pages failed"):
        take_in(follower, watch, progress)


@pytest.mark.parametrize("first", ["before", "after"])
def test_two_processes_pack_the_same_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """The other one packs it and removes the slices while this one is about to read them, or has read them."""
    ledger, other = begin(tmp_path / "out", sources=1), Ledger.read(tmp_path / "out")
    late = write(other, ledger.plan.slices[2])
    finish(ledger, ledger.plan.slices[0])
    finish(ledger, ledger.plan.slices[1])

    def race(*arguments: Any) -> Any:
        monkeypatch.setattr(module, "write_pack", write_pack)
        if first == "before":
            assert other.close_source(0) == {}
        written = write_pack(*arguments)
        assert other.close_source(0) == {}
        return written

    monkeypatch.setattr(module, "write_pack", race)
    finish(ledger, ledger.plan.slices[2])
    whole = ledger.pack(0).totals
    assert whole.pages == 12
    other.commit(ledger.plan.slices[2], late, summary_of(ledger.plan.slices[2]))  # a third one was slower still
    assert other.pending() == []
    assert other.so_far() == replace(whole, samples={})
    other.sweep()
    assert files(ledger) == ["packs/000/00000.pack"]


@pytest.mark.parametrize(("step", "after"), [("write_pack", 0), ("sync", 4), ("sync", 5), ("rmtree", 0)])
def test_what_a_killed_process_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, after: int) -> None:
    """Killed before it packs, once the slice or the pack is in place, or before it removes the slices: all is there."""
    ledger = begin(tmp_path / "out", sources=1)
    slices = ledger.plan.slices
    finish(ledger, slices[0])
    finish(ledger, slices[1])
    folder = write(ledger, slices[2])
    calls = iter(range(after))

    def killed(*_: object, **__: object) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(*((module.shutil, step) if step == "rmtree" else (module, step)), killed)  # type: ignore[arg-type]
        with pytest.raises(KeyboardInterrupt):
            ledger.commit(slices[2], folder, summary_of(slices[2]))
    again = Ledger.read(tmp_path / "out")
    again.sweep()
    assert again.pending() == []
    assert find_unchained(again) == {}
    assert again.so_far().pages == 12
    assert files(again) == ["packs/000/00000.pack"]


def test_slices_out_of_chain_are_read_again_before_packing(tmp_path: Path) -> None:
    """A source whose slices do not fit together is not packed; once they do, it is."""
    ledger = begin(tmp_path / "out", sources=1)
    slices = ledger.plan.slices
    finish(ledger, slices[0], next_offset=1100)
    finish(ledger, slices[1])
    finish(ledger, slices[2])
    assert not ledger.has(0)
    assert find_unchained(ledger) == {1: 1100}
    ledger.discard(slices[1])
    assert ledger.pending() == [1]
    finish(ledger, slices[1], first_offset=1100)
    assert ledger.has(0)
    assert [part.offset for part in ledger.pack(0).slices] == [0, 1100, 2000]


def test_slices_follow_from_the_rule() -> None:
    """Any slice of any source without a list of them: those that the sizes give, one by one or with a limit."""
    sizes = [1, 1499, 1500, 1501, 9_999, 12_345]
    found = [Source(f"/x/{n}", f"{n}", size, None, Layout.MEMBERS) for n, size in enumerate(sizes)]
    found.append(Source("/x/whole", "whole", 9_999, None, Layout.WHOLE))
    made = replace(plan(1), sources=Sources.of(found))
    expected = [slice_ for number, source in enumerate(found) for slice_ in plan_slices(source, number, 1000)]
    assert list(made.slices) == expected
    assert [made.slices.number(one.source_index, one.index) for one in expected] == list(range(len(expected)))
    assert [one for source in range(len(found)) for one in made.slices.of(source)] == expected
    limited = replace(made, limit=5)
    assert [(one.start, one.end) for one in limited.slices] == [(0, source.size_bytes) for source in found]


def test_slices_grow_with_the_run() -> None:
    """2 MiB up to 8 GiB of local files, then more, up to the 32 MiB of remote ones: 30 slices a WARC of 1 GB."""
    mib = 1 << 20
    assert SliceRule.of(10 << 30) == SliceRule(2 * mib, 32 * mib)
    assert SliceRule.of(100 * 10**9).local_bytes == 23 * mib
    assert SliceRule.of(90_000 * 10**9) == SliceRule(32 * mib, 32 * mib)
    assert LOCAL_SLICES * 2 * mib == 8 << 30


def test_a_table_is_read_line_by_line(tmp_path: Path) -> None:
    """The sources come back as they were, from the file that all tasks share; secrets and new places stay in memory."""
    found = [Source(f"https://u:p@h.example/{n}?k=1", f"n{n}", n + 1, None, Layout.WHOLE) for n in range(3)]
    made = Sources.of(found)
    assert list(made) == found
    (tmp_path / "table").write_bytes(made.saved())
    stored = Sources.read(tmp_path / "table")
    assert b"u:p" not in stored.saved() and b"k=1" not in stored.saved()
    assert [source.is_stripped for source in stored] == [True] * 3
    assert stored[-1] == stored[2] and stored[1:2] == [stored[1]]
    with pytest.raises(IndexError):
        stored[3]
    local = replace(found[1], location="/here/1", etag="7")
    moved = stored.read_at({1: local})
    assert (moved[1], moved[0]) == (local, stored[0])
    again = Sources(moved.saved())
    assert again[1] == local
    assert again.is_remote.tolist() == [True] * 3  # so its slices stay as they were planned


@pytest.mark.parametrize("line", [b"", b"[]\n", b"7\n", b'["a","b",-1,null,"whole",false,false]\n', b'["a"', b"\n"])
def test_a_table_of_nonsense_is_refused(line: bytes) -> None:
    """It may be a stranger's."""
    with pytest.raises(ValueError):
        Sources(line)


def test_another_run_in_the_folder_is_refused(tmp_path: Path) -> None:
    """Whatever differs is named; the same run goes on, from wherever its sources are now."""
    out = tmp_path / "out"
    Ledger.begin(out, plan(2))
    here = Sources.of(replace(one, location=f"/here/{one.name}") for one in plan(2).sources)
    moved = replace(plan(2), sources=here)
    assert Ledger.begin(out, moved).plan.sources[1].location == "/here/1.warc.gz"
    for other, words in ((plan(3), r"other sources \(it has 2"), (plan(2, limit=4), "another limit"),
                         (plan(2, 4), r"other sources \(it has 2, among them 0")):  # fmt: skip
        with pytest.raises(LedgerError, match=words):
            Ledger.begin(out, other)
