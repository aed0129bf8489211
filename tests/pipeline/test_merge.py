"""Datasets of several miners become one: every row is still proven, and no page is there twice."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from finest.cli import cli
from finest.dataset.check_files import check_files
from finest.dataset.manifest import Manifest, read_manifest, write_manifest
from finest.dataset.open import open_dataset
from finest.errors import NoRoom, RunError, UsageError, VerifyError
from finest.pipeline.merging import merge as merging
from finest.pipeline.merging import room
from finest.pipeline.merging.merge import MergeOptions, merge
from finest.pipeline.merging.parts import plan_parts
from finest.pipeline.progress import Progress
from finest.pipeline.select import select
from finest.pipeline.verify import verify
from finest.recipe.recipe import load_recipe, parse_recipe
from finest.settings import default_cache
from tests.validator.made import NOWHERE, Published, make, tampered
from tests.validator.repeated import response, write_warc

OPTIONS = MergeOptions(default_cache(), 1, 10**9)


@pytest.fixture
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """No part is small."""
    monkeypatch.setattr("finest.pipeline.merging.parts.SMALL_BYTES", 0)


def part(folder: Path, dump: str, pages: range) -> Published:
    """What a miner made of one WARC with these pages; two of five are too short."""
    name = f"{dump}-{pages.start}"
    folder.mkdir(exist_ok=True)
    members = [[response(n, key=1_000 * pages.start + n, good=n % 5 > 1)] for n in pages]
    return make(folder / name, [write_warc(folder / f"{name}.warc.gz", members)])


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> list[Published]:
    """Three datasets: the second has three kept pages of the first, the third is another crawl's."""
    folder = tmp_path_factory.mktemp("parts")
    spans = (("CC-MAIN-2025-13", range(10)), ("CC-MAIN-2025-13", range(5, 15)), ("CC-MAIN-2025-18", range(30, 34)))
    return [part(folder, dump, pages) for dump, pages in spans]


def merged(parts: list[Published], out: Path, **changes: Any) -> Manifest:
    return merge([str(one.folder) for one in parts], out, replace(OPTIONS, **changes), Progress(quiet=True))


@pytest.fixture(scope="module")
def separate(parts: list[Published], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The merged dataset if no part is small."""
    out = tmp_path_factory.mktemp("separate") / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("finest.pipeline.merging.parts.SMALL_BYTES", 0)
        assert merged(parts, out, workers=2) == read_manifest(out)
    return out


@pytest.fixture(scope="module")
def joined(parts: list[Published], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The merged dataset, with small parts that share a series."""
    out = tmp_path_factory.mktemp("joined") / "out"
    merged(parts, out)
    return out


def lines(out: Path, folder: str) -> list[dict[str, Any]]:
    return [line for path in sorted((out / folder).rglob("*.parquet")) for line in pq.read_table(path).to_pylist()]


def test_pages_of_two_datasets_are_there_once(parts: list[Published], separate: Path) -> None:
    """The row of the dataset named first stays; the other's verdict names it; all checks pass, and all is proven."""
    found = read_manifest(separate)
    one, two, three = (part.manifest for part in parts)
    assert found.rows == one.rows + two.rows + three.rows - 3
    assert found.reasons["duplicate"] == 3 and found.pages == one.pages + two.pages + three.pages
    assert list(found.roots) == ["data/CC-MAIN-2025-13/000", "data/CC-MAIN-2025-13/001", "data/CC-MAIN-2025-18/000"]
    assert [*found.roots.values()][::2] == [*one.roots.values(), *three.roots.values()]
    ids = {row["id"] for row in lines(parts[0].folder, "data")}
    lost = [line for line in lines(separate, "verdicts") if line["reason"] == "duplicate"]
    assert len(lost) == 3 and {line["duplicate_of"] for line in lost} < ids
    check_files(separate, found)
    with open_dataset(str(separate)) as dataset:
        dataset.check_root()
        hashes = dataset.row_columns("row_hash")["row_hash"].to_pylist()
        assert all(dataset.prove(number).holds(digest, found.root) for number, digest in enumerate(hashes))
    warcs = [str(path) for part in parts for path in part.warcs]
    assert verify(separate, default_cache(), NOWHERE, sample=100, seed=1, sources=warcs).is_verified
    assert not (separate / "scratch").exists()


@pytest.mark.nightly
@pytest.mark.usefixtures("apart")
def test_one_process_makes_the_same(parts: list[Published], separate: Path, tmp_path: Path) -> None:
    assert merged(parts, tmp_path / "out", workers=1) == read_manifest(separate) == read_manifest(tmp_path / "out")


def test_small_parts_share_a_series(joined: Path, separate: Path) -> None:
    """The rows and verdicts of tasks of a few WARCs are joined: the same rows as apart, all of them proven."""
    found, apart = read_manifest(joined), read_manifest(separate)
    assert list(found.roots) == ["data/CC-MAIN-2025-13/000", "data/CC-MAIN-2025-18/000"]
    assert len(found.shards) == len(found.verdicts) == 2
    check_files(joined, found)
    for folder in ("data", "verdicts"):
        assert lines(joined, folder) == lines(separate, folder)
    changed = {"shards", "verdicts", "roots", "root"}
    assert found.model_dump(exclude=changed) == apart.model_dump(exclude=changed)


def test_verdicts_state_the_similarity_that_a_recipe_asks_for(tmp_path: Path) -> None:
    """`[dedup] min_jaccard`: a lost row is compared with the kept one, and anybody can compare them again.

    A page may name a row that a later merge dropped, in favour of one that is there; no other row may be gone.
    """
    found = load_recipe("fineweb").resolved()
    recipe = parse_recipe({**found, "dedup": {**found["dedup"], "min_jaccard": 0.75}})
    made = []
    for name, keys in (("a", (10,)), ("b", (20, 21)), ("c", (30,))):
        pages = [[response(1, key=key)] for key in keys] + [[response(keys[0] + 500)]]
        made.append(make(tmp_path / name, [write_warc(tmp_path / f"{name}.warc.gz", pages)], recipe))
    merged(made[:2], tmp_path / "two")
    lost = [line for line in lines(tmp_path / "two", "verdicts") if line["reason"] == "duplicate"]
    stated = [(line["value"], line["limit"], line["file_path"]) for line in lost]
    assert stated == [(1.0, 0.75, "b.warc.gz")] * 2
    merged([made[2], Published(tmp_path / "two", ())], tmp_path / "out")
    out = Published(tmp_path / "out", ())
    named = {one.duplicate_of for one in out.verdicts()} - {None}
    assert len(named - {row.id for row in out.rows()}) == 2
    warcs = [str(path) for one in made for path in one.warcs]
    assert verify(out.folder, default_cache(), NOWHERE, sample=100, seed=1, sources=warcs).is_verified
    kept = next(row.id for row in out.rows() if row.id in named)
    verdicts = [replace(one, duplicate_of="<nobody>") if one.duplicate_of == kept else one for one in out.verdicts()]
    lie = tampered(out, tmp_path / "lie", out.rows(), verdicts)
    write_manifest(lie.folder, lie.manifest.model_copy(update={"merged": out.manifest.merged}))
    with pytest.raises(VerifyError, match="no row has that id"):
        verify(lie.folder, default_cache(), NOWHERE, sample=100, seed=1, sources=warcs)


@pytest.mark.usefixtures("apart")
def test_files_that_lose_nothing_are_the_same_files(parts: list[Published], tmp_path: Path) -> None:
    """Without a comparison, all of them: under other names, in the order of the datasets."""
    found = merged(parts, tmp_path / "out", compare=False)
    assert found.rows == sum(part.manifest.rows for part in parts)
    for at, part in enumerate(parts):
        old = part.folder / part.manifest.shards[0].path
        assert old.samefile(tmp_path / "out" / found.shards[at].path)
    check_files(tmp_path / "out", found)


@pytest.mark.nightly
def test_many_sources_lie_in_files(parts: list[Published], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("finest.dataset.sources.MAX_INLINE_SOURCES", 2)
    found = merged(parts, tmp_path / "out")
    assert not found.sources and len(found.source_files) == 2 and found.source_totals.sources == 3
    check_files(tmp_path / "out", found)
    other = part(tmp_path / "other", "CC-MAIN-2025-18", range(50, 53))
    again = merge([str(tmp_path / "out"), str(other.folder)], tmp_path / "more", OPTIONS, Progress(quiet=True))
    assert again.source_totals.sources == 4
    check_files(tmp_path / "more", again)


def test_what_does_not_fit_is_refused(parts: list[Published], tmp_path: Path) -> None:
    """The same WARC twice, another recipe, a selection: in words, and without a folder left behind."""
    recipe = parse_recipe({**load_recipe("fineweb").resolved(), "pii": {"emails": False, "ips": False}})
    other = make(tmp_path / "other", [write_warc(tmp_path / "x.warc.gz", [[response(99)]])], recipe)
    select(str(parts[1].folder), "token_count > 1", tmp_path / "some")
    some = Published(tmp_path / "some", parts[1].warcs)
    for pair, says in (
        ([parts[0], parts[0]], "have rows of the same WARC file: CC-MAIN-2025-13-0.warc.gz"),
        ([parts[0], other], "have not the same recipe"),
        ([parts[0], some], "is a selection: merge the whole datasets"),
    ):
        with pytest.raises(UsageError, match=says):
            merged(pair, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_a_merge_that_does_not_fit_is_refused_before_its_work(
    parts: list[Published], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Disk and memory, from the manifests: what is needed, what there is, where, and the flag to change."""
    rows = sum(part.manifest.rows for part in parts)
    signatures = rows * (14 * 8 * 8 + 8)
    with monkeypatch.context() as patched:
        patched.setattr(room, "free_disk_bytes", lambda _: signatures)
        with pytest.raises(NoRoom) as disk:
            merged(parts, tmp_path / "out")
    for words in ("of disk", f"{tmp_path} has", "with --out"):
        assert words in str(disk.value)
    assert not list((tmp_path / ".out.unfinished").glob("unfinished/*.npy"))
    for free, mend in ((room.PROCESS_BYTES * 2, "use --workers 1$"), (room.PROCESS_BYTES // 2, "free some memory$")):
        monkeypatch.setattr(room, "available_memory_bytes", lambda free=free: free)
        with pytest.raises(NoRoom, match=f"for 2 processes, and this machine has .* free; {mend}"):
            merged(parts, tmp_path / "out", workers=2)
    with pytest.raises(RunError, match="allow more with --dedup-memory"):
        merged(parts, tmp_path / "out", dedup_memory=1_000)


def test_the_room_of_a_merge_is_what_it_writes(
    parts: list[Published], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Signatures and joined files are there in any case; files apart may be linked; texts only if they are compared."""
    places = [str(part.folder) for part in parts]
    datasets = [(place, part.manifest) for place, part in zip(places, parts, strict=True)]
    recipe, planned = load_recipe("fineweb"), plan_parts(datasets)
    monkeypatch.setattr(merging, "_merged", lambda *_: sys.exit(1))
    with pytest.raises(SystemExit):
        merged(parts, tmp_path / "out")
    unfinished = tmp_path / ".out.unfinished"
    size = sum(path.stat().st_size for path in unfinished.rglob("*") if path.suffix in (".npy", ".parquet"))
    need = room.room(datasets, planned, recipe, unfinished, OPTIONS)
    assert need.disk_bytes == pytest.approx(size, rel=0.15)
    none = replace(OPTIONS, compare=False)
    files = sum(file.size_bytes for _, one in datasets for file in one.files)
    alone = room.room(datasets[2:], plan_parts(datasets[2:]), recipe, unfinished, none)
    assert (alone.disk_bytes, alone.likely_bytes) == (0, 0)
    assert room.room(datasets, planned, recipe, unfinished, none).disk_bytes < files
    texts = parse_recipe({**recipe.resolved(), "dedup": {**recipe.resolved()["dedup"], "min_jaccard": 0.75}})
    assert room.room(datasets, planned, texts, unfinished, OPTIONS).likely_bytes > need.likely_bytes + files


@pytest.mark.usefixtures("apart")
def test_a_killed_merge_goes_on(
    parts: list[Published], separate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Signatures, survivors and series that were finished are used; a linked file of a dataset is never written to."""
    expected = read_manifest(separate)
    before = {path: path.read_bytes() for part in parts for path in part.folder.rglob("*.parquet")}
    done: list[str] = []
    again: list[bool] = []

    def noting(name: str, killed_at: int) -> None:
        true, module = getattr(merging, name), f"finest.pipeline.merging.merge.{name}"

        def noted(*arguments: Any) -> Any:
            done.append(name)
            if done.count(name) == killed_at and not again:
                (tmp_path / ".out.unfinished" / "data" / "CC-MAIN-2025-13" / ".001_00000.parquet.tmp").touch()
                raise KeyboardInterrupt
            return true(*arguments)

        monkeypatch.setattr(module, noted)

    noting("_sign", 0)
    noting("write_series", 2)
    with pytest.raises(KeyboardInterrupt):
        merged(parts, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    done.clear()
    again.append(True)
    assert merged(parts, tmp_path / "out") == expected
    assert done == ["write_series"] * 2
    check_files(tmp_path / "out", expected)
    assert not list(tmp_path.glob(".out*")) and not (tmp_path / "out" / "unfinished").exists()
    assert before == {path: path.read_bytes() for path in before}


def test_another_merge_begins_anew(
    parts: list[Published], joined: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """What a merge of other datasets left is not used."""
    with monkeypatch.context() as patched:
        patched.setattr(merging, "_merged", lambda *_: sys.exit(1))
        with pytest.raises(SystemExit):
            merged(parts[:2], tmp_path / "out")
    assert (tmp_path / ".out.unfinished").exists()
    assert merged(parts, tmp_path / "out") == read_manifest(joined)
    check_files(tmp_path / "out", read_manifest(tmp_path / "out"))


def test_the_command(parts: list[Published], tmp_path: Path) -> None:
    """`finest merge A B --out C` says what it made; a single dataset is a mistake."""
    places = [str(part.folder) for part in parts]
    done = CliRunner().invoke(cli, ["merge", *places, "--out", str(tmp_path / "out"), "--workers", "1", "--no-dedup"])
    assert done.exit_code == 0, done.output
    assert f"root {read_manifest(tmp_path / 'out').root}" in done.output and "of 3 WARC files" in done.output
    assert CliRunner().invoke(cli, ["merge", places[0], "--out", str(tmp_path / "one")]).exit_code == 2
