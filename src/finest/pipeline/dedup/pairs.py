"""Verify the clusters: keep a page unless a page that stays has nearly its text.

MinHash agrees by chance, and a cluster is a chain of agreements, so a page need not resemble the page that is kept
instead. If the recipe sets `min_jaccard`, the pages of each cluster are compared by their texts: the survivor that
MinHash chose first, then the others in order. A page is dropped for the first page kept of its cluster, its witness,
whose Jaccard similarity with it is at least `min_jaccard`; if there is none, the page is kept, too, and may be the
witness of later ones. The similarity is that of the sets of shingles that MinHash samples, of the texts in the rows, so
anybody can compute it again from the dataset and the WARCs.

With an earlier dataset (`finest.pipeline.dedup.against`), its rows that share a bucket with a page of the cluster come
first, in their order: a page that is similar enough to one of them is dropped for it, and is no witness of others.

    OUT/ledger/dedup/texts-T-of-TT-in-BB/B.arrow   texts of the clusters of block B, from the parts of task T
    OUT/ledger/dedup/pairs-B-of-BB.npy             for each page of block B: witness and similarity
    OUT/ledger/dedup/verified.npy                  for each row, in order, the row that is kept of its cluster
    OUT/ledger/dedup/earlier.npy                   for each row, in order, the row of the earlier dataset kept instead
    OUT/ledger/dedup/jaccard.npy                   for each row, in order, its similarity with that row if it is dropped

A block is a share of the clusters whose texts fit into the memory of a process.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa

from finest.atomic_files import temporary_name
from finest.pipeline.dedup.earlier_texts import EarlierTexts
from finest.pipeline.dedup.files import whole_file, whole_folder
from finest.pipeline.dedup.forest import CHUNK
from finest.pipeline.dedup.index import NONE
from finest.recipe.minhash import similarity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from finest.pipeline.dedup.against import Earlier
    from finest.pipeline.dedup.signatures import Rows
    from finest.pipeline.tasks import Tasks
    from finest.recipe.minhash import Shingles
    from finest.recipe.toolbox import Toolbox

MAX_WITNESSES = 32
"""Pages of a cluster that later ones are compared with; a cluster of more pages that all differ is no cluster."""
_CLUSTER_BYTES = 20_000
"""Memory per cluster, of which at most every second page of `_in_cluster` is one: the text and shingles of a kept page.
Its 5,700 characters (the average of two crawls) take 6 kB as text and 8 kB as hashes of shingles."""
_PARTS = 64
"""Tasks of each step that even a small run is divided into, for all cores; they make up to _PARTS * _PARTS files."""
_BLOCK_ROWS = 1_000
"""Least rows of such a block: about a second."""
_TASK_ROWS, _MOST_TASK_ROWS = 20_000, 1_000_000
"""Least and most rows whose texts a task reads; more tasks would make too many files of a large run."""
_SCHEMA = pa.schema([("row", pa.int64()), ("root", pa.int64()), ("language", pa.string()), ("text", pa.large_string())])
_PAIR = np.dtype([("row", np.int64), ("witness", np.int64), ("jaccard", np.float64), ("earlier", np.uint32)])


class Texts(Protocol):
    """The texts of a run's rows."""

    def of(self, part: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of that part of the run, in order, with the columns `language` and `text`."""
        ...


class Pairs:
    """The verification of one run's clusters, in the folder of the deduplication."""

    def __init__(
        self, folder: Path, starts: Sequence[int], texts: Texts, tools: Toolbox, min_jaccard: float, memory_bytes: int,
        earlier: Earlier | None = None,
    ) -> None:  # fmt: skip
        """`starts` are the numbers of the first rows of the run's parts, and the number of all rows.

        `earlier` has found the rows of an earlier dataset that share a bucket with pages.
        """
        self._folder, self._starts, self._texts, self._tools, self._least = folder, starts, texts, tools, min_jaccard
        self._found = np.load(folder / "survivors.npy", mmap_mode="r")
        self._in_cluster = _in_cluster(self._found)
        similar, rows = 0, starts[-1]
        for _, pages in earlier.matches() if earlier else ():
            self._in_cluster[pages] = True
            similar += len(pages)
        similar += int(self._in_cluster.sum())
        fit = -(-similar * _CLUSTER_BYTES // (2 * memory_bytes))
        self._blocks = max(fit, min(similar // _BLOCK_ROWS, _PARTS), 1)
        self._earlier = earlier
        self._earlier_texts = EarlierTexts(earlier, self._found, self._blocks) if earlier else None
        self._tasks = max(min(len(starts) - 1, -(-rows // min(max(_TASK_ROWS, rows // _PARTS), _MOST_TASK_ROWS))), 1)

    @property
    def verified_path(self) -> Path:
        return self._folder / "verified.npy"

    @property
    def jaccard_path(self) -> Path:
        return self._folder / "jaccard.npy"

    def run(self, tasks: Tasks) -> None:
        """Make the files that are missing."""
        is_over = self.verified_path.exists
        tasks.run(
            "Reading the texts of similar pages", range(self._tasks), self._sort_texts,
            lambda task: self._texts_path(task).exists() or is_over(),
        )  # fmt: skip
        if self._earlier_texts is not None:
            self._earlier_texts.read(tasks, is_over)
        tasks.run(
            "Comparing the texts of similar pages", range(self._blocks), self._compare,
            lambda block: self._pairs_path(block).exists() or is_over(),
        )  # fmt: skip
        tasks.once("Joining the comparisons", self._write, is_over)

    def _sort_texts(self, task: int) -> None:
        """Write the texts of the clusters from the parts of a task, one file for each block."""
        parts = len(self._starts) - 1
        first, end = (parts * number // self._tasks for number in (task, task + 1))
        with whole_folder(self._texts_path(task)) as folder, ExitStack() as files:
            writers = [
                files.enter_context(pa.OSFile(str(folder / f"{block:05d}.arrow"), "wb"))
                for block in range(self._blocks)
            ]
            streams = [files.enter_context(pa.ipc.new_stream(writer, _SCHEMA)) for writer in writers]
            for batch in self._members(first, end):
                blocks = self._block_of(batch["root"].to_numpy())
                for block in np.unique(blocks).tolist():
                    streams[block].write_batch(batch.filter(pa.array(blocks == block)))

    def _members(self, first: int, end: int) -> Iterator[pa.RecordBatch]:
        """Yield the rows of these parts that are in a cluster."""
        for part in range(first, end):
            start = self._starts[part]
            for batch in self._texts.of(part):
                inside = np.flatnonzero(self._in_cluster[start : start + batch.num_rows])
                if len(inside):
                    rows = inside + start
                    chosen = batch.take(pa.array(inside))
                    roots = self._found[rows].astype(np.int64)
                    columns = [pa.array(rows), pa.array(roots), chosen["language"], chosen["text"]]
                    yield pa.record_batch(
                        [column.cast(kind) for column, kind in zip(columns, _SCHEMA.types, strict=True)], schema=_SCHEMA
                    )
                start += batch.num_rows

    def _block_of(self, roots: Rows) -> NDArray[np.int64]:
        return np.asarray(roots % self._blocks, np.int64)

    def _compare(self, block: int) -> None:
        """Write the witness and the similarity of each page of a block; a page that is kept is its own witness."""
        earlier, kept = self._earlier_rows(block), defaultdict[int, list[Text]](list)
        pairs = []
        for of_roots in (True, False):
            for row, root, language, text in self._rows_of(block):
                if (row == root) != of_roots:
                    continue
                page = Text(row, text, language)
                old, jaccard = self._witness(page, earlier.get(root, ()))
                if old is not None:
                    pairs.append((row, row, jaccard, old.row))
                    continue
                witness, jaccard = self._witness(page, kept[root])
                if witness is None and len(kept[root]) < MAX_WITNESSES:
                    kept[root].append(page)
                pairs.append((row, (witness or page).row, jaccard, NONE))
        with whole_file(self._pairs_path(block)) as file:
            np.save(file, np.array(pairs, _PAIR))

    def _earlier_rows(self, block: int) -> dict[int, list[Text]]:
        """Return the first rows of the earlier dataset that share a bucket with pages of each cluster of a block."""
        texts: dict[int, Text] = {}
        found = defaultdict[int, list[Text]](list)
        for row, root, language, text in self._earlier_texts.of(block) if self._earlier_texts else ():
            if row not in texts:
                texts[row] = Text(row, text or "", language)
            if len(found[root]) < MAX_WITNESSES:
                found[root].append(texts[row])
        return found

    def _rows_of(self, block: int) -> Iterator[tuple[int, int, str | None, str]]:
        for task in range(self._tasks):
            with (
                pa.OSFile(str(self._texts_path(task) / f"{block:05d}.arrow"), "rb") as file,
                pa.ipc.open_stream(file) as stream,
            ):
                for batch in stream:
                    yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)

    def _witness(self, page: Text, others: Sequence[Text]) -> tuple[Text | None, float]:
        """Return the first of the other texts that is similar enough, and how similar; None and 0 without one."""
        for other in others:
            jaccard = 1.0 if page.text == other.text else similarity(self._shingles(page), self._shingles(other))
            if jaccard >= self._least:
                return other, jaccard
        return None, 0.0

    def _shingles(self, page: Text) -> Shingles:
        if page.shingles is None:
            page.shingles = self._tools.signer.shingles(page.text, self._tools.tokenizer_for(page.language))
        return page.shingles

    def _write(self) -> None:
        """Write the survivors and the similarities of all rows, and remove what they were found from."""
        temporary, unfinished = temporary_name(self.verified_path), temporary_name(self.jaccard_path)
        jaccard = np.lib.format.open_memmap(unfinished, "w+", np.float64, self._found.shape)
        shutil.copyfile(self._folder / "survivors.npy", temporary)
        verified = np.load(temporary, mmap_mode="r+")
        earlier = np.full(len(verified) if self._earlier else 0, NONE, np.uint32)
        for block in range(self._blocks):
            pairs = np.load(self._pairs_path(block))
            verified[pairs["row"]] = pairs["witness"]
            jaccard[pairs["row"]] = pairs["jaccard"]
            if self._earlier is not None:
                earlier[pairs["row"]] = pairs["earlier"]
        for array in (jaccard, verified):
            array.flush()
        if self._earlier is not None:
            with whole_file(self._earlier.rows_path) as file:
                np.save(file, earlier)
        unfinished.replace(self.jaccard_path)
        temporary.replace(self.verified_path)
        for path in (*self._folder.glob("texts-*"), *self._folder.glob("earlier-texts-*")):
            shutil.rmtree(path, ignore_errors=True)
        for path in self._folder.glob("pairs-*"):
            path.unlink(missing_ok=True)

    def _texts_path(self, task: int) -> Path:
        return self._folder / f"texts-{task:05d}-of-{self._tasks}-in-{self._blocks}"

    def _pairs_path(self, block: int) -> Path:
        return self._folder / f"pairs-{block:05d}-of-{self._blocks}.npy"


@dataclass(slots=True)
class Text:
    """A page of a cluster, with its shingles once they are needed."""

    row: int
    text: str
    language: str | None
    shingles: Shingles | None = None


def _in_cluster(survivor: Rows) -> NDArray[np.bool_]:
    """Return for each row whether its cluster has another row."""
    found = np.zeros(len(survivor), np.bool_)
    for start in range(0, len(survivor), CHUNK):
        part = survivor[start : start + CHUNK]
        lost = np.flatnonzero(part != np.arange(start, start + len(part)))
        found[lost + start] = True
        found[part[lost]] = True
    return found
