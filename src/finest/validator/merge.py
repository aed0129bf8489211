"""Audit of a merge: its rows are rows of the leased datasets, and each row that is not there is a duplicate of one.

    inputs      the manifest names the leased datasets by their roots, and each still has its root
    rows        every row has the hash of a row of an input; sources and counts of verdicts are those of all inputs
    dropped     every row that is not there has a verdict `duplicate` that names a row that is
    compared    of drawn rows that were dropped, nearly all have nearly the text of the row that is kept instead
    duplicates  few of the rows that were read are duplicates of each other

These checks compare all rows by their hashes, which the roots commit to; no WARC is read. Of the rows that were
dropped, some are drawn, and their texts are compared with the kept ones as the recipe compares them. A merge is exact,
so there is little tolerance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from finest.dataset.open import open_dataset
from finest.dataset.sources import sum_counts
from finest.errors import SourceError, UsageError, VerifyError
from finest.pipeline.assembly.pages import dedup_first
from finest.pipeline.dedup.signatures import with_language
from finest.pipeline.witnesses import Text, jaccard
from finest.recipe.judge import toolbox
from finest.recipe.reasons import DUPLICATE, KEPT
from finest.validator.models import MAX_WORDS, SHOWN_CHARS, Check, PageFinding, RowFinding, WindowFinding
from finest.validator.seed import Draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finest.dataset.merge_inputs import MergeLease
    from finest.dataset.open import Dataset
    from finest.recipe.minhash import Signature
    from finest.recipe.recipe import Recipe
    from finest.validator.context import AuditContext
    from finest.validator.models import Uniqueness

MAX_CANDIDATES = 16
"""Rows with the id of a kept row that are compared; only careless writers give one id to many records."""
MAX_LINKS = 32
"""Dropped rows with one kept row in whose texts a chain to it is searched; nearly all clusters are smaller."""
MAX_DUPLICATE_SHARE = 0.01
"""The share of tokens that may be of duplicates. A merge compares all rows, and leaves none that agree in a bucket."""

MAX_FALSE_SHARE = 0.02
"""The share of drawn dropped rows that may be no duplicates: a chain to the kept row may be longer than MAX_LINKS."""

_Place = tuple[str, int, str]


class _Dropped(NamedTuple):
    """A row of an input that is no row of the merged dataset."""

    input: int
    number: int
    place: _Place
    dump: str
    tokens: int


class MergedRows:
    """The rows of a merged dataset and of its inputs. `close` closes the inputs."""

    def __init__(self, dataset: Dataset, lease: MergeLease, recipe: Recipe, context: AuditContext) -> None:
        """Open the inputs; raises SourceError if one is not there with its root, which is no evidence."""
        self._dataset, self._lease, self._recipe, self._context = dataset, lease, recipe, context
        self._stack = ExitStack()
        self._inputs: list[Dataset] = []
        try:
            for one in lease.inputs:
                context.budget.check()
                self._inputs.append(self._opened(one.place, one.root))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._stack.close()

    def _opened(self, place: str, root: str) -> Dataset:
        try:
            found = self._stack.enter_context(open_dataset(place, token=self._context.token, say=self._context.say))
            found.bound_reading()
            if found.manifest.root != root:
                raise SourceError(f"{place} has the root {found.manifest.root}, and was leased with {root}")
            found.check_root()
        except (UsageError, VerifyError) as error:
            raise SourceError(f"a dataset to merge cannot be read: {error}") from error
        return found

    def checks(self) -> Iterator[Check]:
        """Check all rows by their hashes, and all that are dropped by their verdicts."""
        yield self._check_rows()
        yield self._check_dropped()

    def _check_rows(self) -> Check:
        if difference := self._difference():
            return _fail("rows", difference)
        every = pa.chunked_array([chunk for one in self._hashes for chunk in one.chunks], pa.string())
        known = pc.is_in(self._own["row_hash"], value_set=every)
        if (foreign := pc.index(known, value=False).as_py()) >= 0:
            return _fail("rows", f"row {foreign} ({self._own['id'][foreign]}) is no row of the leased datasets")
        return Check(name="rows", outcome="pass")

    def _difference(self) -> str | None:
        """Say what the manifest states otherwise than the inputs together: verdicts by reason, or sources."""
        manifest, parts = self._dataset.manifest, [one.manifest for one in self._inputs]
        wanted = Counter(sum_counts(part.reasons for part in parts))
        lost = sum(part.rows for part in parts) - manifest.rows
        wanted.update({KEPT: -lost, DUPLICATE: lost})
        stated = Counter(manifest.reasons)
        for reason in sorted(wanted.keys() | stated.keys()):
            if wanted[reason] != stated[reason]:
                return f"{stated[reason]} verdicts are {reason!r}, by the datasets to merge {wanted[reason]} would be"
        count = sum(part.source_totals.sources for part in parts)
        if manifest.source_totals.sources != count:
            return f"{manifest.source_totals.sources} sources, the datasets to merge have {count}"
        names = {source.name for one in self._inputs for source in one.sources()}
        strange = next((one.name for one in self._dataset.sources() if one.name not in names), None)
        return None if strange is None else f"{strange} is no source of the datasets to merge"

    def _check_dropped(self) -> Check:
        ids = pc.is_in(pa.array(list(self._winners.values()), pa.string()), value_set=self._own["id"])
        gone = next((place for place, there in zip(self._winners, ids.to_pylist(), strict=True) if not there), None)
        lost = next((row.place for row in self._dropped if row.place not in self._winners), gone)
        if lost is None:
            return Check(name="dropped", outcome="pass")
        count = sum(row.place not in self._winners for row in self._dropped) + ids.to_pylist().count(False)
        return _fail("dropped", f"{count} rows are missing and are no duplicates of a row; {lost[2]} of {lost[0]}")

    def rows(self, seed: str, count: int) -> list[RowFinding]:
        """Return findings of drawn rows, which the check of all rows has found in the inputs."""
        own = self._own
        return [
            RowFinding(
                number=number, id=own["id"][number].as_py()[:SHOWN_CHARS],
                source=own["file_path"][number].as_py()[:SHOWN_CHARS], offset=own["warc_offset"][number].as_py(),
                expected=own["row_hash"][number].as_py(), found=own["row_hash"][number].as_py(), outcome="same",
            )
            for number in Draw(seed, "rows").sample(len(own), count)
        ]  # fmt: skip

    def windows(self, seed: str, count: int) -> list[WindowFinding]:
        """Draw rows that are there, and as many that are not, from all inputs; compare these with the kept ones."""
        sizes = np.array([len(one) for one in self._hashes])
        ends = np.cumsum(sizes)
        dropped = {(row.input, row.number) for row in self._dropped}
        there: dict[int, list[int]] = defaultdict(list)
        for place in Draw(seed, "windows").sample(int(sizes.sum()), count):
            at = int(np.searchsorted(ends, place, side="right"))
            number = place - int(ends[at] - sizes[at])
            if (at, number) not in dropped:
                there[at].append(number)
        found = defaultdict(list, {at: self._held(at, numbers) for at, numbers in there.items()})
        for index in Draw(seed, "dropped").sample(len(self._dropped), count):
            self._context.budget.check()
            row = self._dropped[index]
            found[row.input].append(self._compared(row))
        return [
            WindowFinding(source=self._lease.inputs[at].place, offset=0, pages=len(pages), kept=tuple(pages))
            for at, pages in sorted(found.items())
        ]

    def _held(self, at: int, numbers: Sequence[int]) -> list[PageFinding]:
        columns = self._inputs[at].row_columns("id", "file_path", "warc_offset", "token_count")
        return [
            PageFinding(
                id=row["id"][:SHOWN_CHARS], source=row["file_path"][:SHOWN_CHARS], offset=row["warc_offset"],
                tokens=max(0, row["token_count"]), outcome="held",
            )
            for row in columns.take(pa.array(numbers)).to_pylist()
        ]  # fmt: skip

    def _compared(self, row: _Dropped) -> PageFinding:
        source, offset, id = row.place
        winner = self._winners[row.place]
        holds = self._is_duplicate(row, winner)
        return PageFinding(
            id=id[:SHOWN_CHARS], source=source[:SHOWN_CHARS], offset=offset, tokens=row.tokens,
            outcome="duplicate" if holds else "missed", witness=winner[:SHOWN_CHARS],
            detail="" if holds else "its text is not nearly that of the row that is kept instead",
        )  # fmt: skip

    def _is_duplicate(self, row: _Dropped, winner: str) -> bool:
        recipe, by_dump = self._recipe, self._recipe.dedup.scope == "dump"
        own = self._text(row)
        at = np.flatnonzero(pc.equal(self._own["id"], winner).to_numpy(zero_copy_only=False))[:MAX_CANDIDATES].tolist()
        kept = [
            Text(one["text"], one["language"])
            for one in self._dataset.read_rows(at).select(["text", "language", "dump"]).to_pylist()
            if not by_dump or one["dump"] == row.dump
        ]
        if least := recipe.dedup.min_jaccard:
            return any(jaccard(own, text, recipe, self._context.cache) >= least for text in kept)
        return self._are_linked(own, kept, row, winner)

    def _are_linked(self, own: Text, kept: Sequence[Text], row: _Dropped, winner: str) -> bool:
        """Whether signatures lead from a text to a kept one, over other texts that are dropped for the same row."""
        wanted = [self._signature(text) for text in kept]
        reached, others = [self._signature(own)], None
        while reached:
            here = reached.pop()
            if any(_agree(here, one) for one in wanted):
                return True
            if others is None:
                near = [one for one in self._by_winner[winner] if one != row][:MAX_LINKS]
                others = [self._signature(self._text(one)) for one in near if one.dump == row.dump or not self._by_dump]
            reached += [one for one in others if _agree(here, one)]
            others = [one for one in others if not _agree(here, one)]
        return False

    @property
    def _by_dump(self) -> bool:
        return self._recipe.dedup.scope == "dump"

    def _signature(self, text: Text) -> Signature | None:
        tools = toolbox(self._recipe, self._context.cache)
        signature = tools.signer.sign(text.text, tools.tokenizer_for(text.language))
        return with_language(signature, text.language or "") if dedup_first(self._recipe) else signature

    def _text(self, row: _Dropped) -> Text:
        (found,) = self._inputs[row.input].read_rows([row.number]).select(["text", "language"]).to_pylist()
        return Text(found["text"], found["language"])

    @cached_property
    def _own(self) -> pa.Table:
        return self._dataset.row_columns("row_hash", "id", "file_path", "warc_offset")

    @cached_property
    def _hashes(self) -> list[pa.ChunkedArray]:
        return [one.row_columns("row_hash")["row_hash"] for one in self._inputs]

    @cached_property
    def _dropped(self) -> list[_Dropped]:
        """The rows of the inputs that are no rows here, in their order."""
        found: list[_Dropped] = []
        for at, (dataset, hashes) in enumerate(zip(self._inputs, self._hashes, strict=True)):
            gone = np.flatnonzero(~pc.is_in(hashes, value_set=self._own["row_hash"]).to_numpy(zero_copy_only=False))
            columns = dataset.row_columns("file_path", "warc_offset", "id", "dump", "token_count").take(pa.array(gone))
            for number, row in zip(gone.tolist(), columns.to_pylist(), strict=True):
                place = (row["file_path"], row["warc_offset"], row["id"])
                found.append(_Dropped(at, number, place, row["dump"], max(0, row["token_count"])))
        return found

    @cached_property
    def _winners(self) -> dict[_Place, str]:
        """The id of the row that is kept instead of each dropped row, by the merged dataset's verdicts."""
        wanted = {row.place for row in self._dropped}
        ids = pa.array(sorted({id for _, _, id in wanted}), pa.string())
        found: dict[_Place, str] = {}
        for file in self._dataset.manifest.verdicts:
            table = self._dataset.verdict_columns("file_path", "offset", "id", "reason", "duplicate_of", files=[file])
            table = table.filter(pc.and_(pc.equal(table["reason"], DUPLICATE), pc.is_in(table["id"], value_set=ids)))
            for row in table.to_pylist():
                place = (row["file_path"], row["offset"], row["id"])
                if place in wanted:
                    found[place] = row["duplicate_of"] or ""
        return found

    @cached_property
    def _by_winner(self) -> dict[str, list[_Dropped]]:
        found: dict[str, list[_Dropped]] = defaultdict(list)
        for row in self._dropped:
            found[self._winners[row.place]].append(row)
        return found


def check_inputs(dataset: Dataset, lease: MergeLease) -> Check:
    """Check that the manifest names the leased datasets, in their order."""
    merged = dataset.manifest.merged
    if merged == lease.roots:
        return Check(name="inputs", outcome="pass")
    missing = Counter(lease.roots) - Counter(merged)
    of = f"it is no merge of {next(iter(missing))}" if missing else "it is of other datasets or in another order"
    return _fail("inputs", f"the task is to merge {len(lease.roots)} datasets, and {of}")


def check_compared(windows: Sequence[WindowFinding]) -> Check:
    """Check that the rows that were dropped are duplicates."""
    found = [page for window in windows for page in window.kept if page.outcome in ("duplicate", "missed")]
    false = [page for page in found if page.outcome == "missed"]
    if len(false) <= MAX_FALSE_SHARE * len(found):
        return Check(name="compared", outcome="pass")
    one = f"{false[0].id}, for {false[0].witness}: {false[0].detail}"
    return _fail("compared", f"{len(false)} of {len(found)} dropped rows are no duplicates; {one}")


def check_duplicates(found: Uniqueness) -> Check:
    """Check that rows were compared with each other: a merge that leaves all duplicates in did no work."""
    share = found.duplicate_tokens / found.tokens if found.tokens else 0.0
    if share <= MAX_DUPLICATE_SHARE:
        return Check(name="duplicates", outcome="pass")
    return _fail("duplicates", f"{share:.1%} of the tokens of {found.rows} rows are of duplicates of other rows")


def _agree(one: Signature | None, other: Signature | None) -> bool:
    """Whether two signatures agree in a bucket."""
    return one is not None and other is not None and bool((one == other).all(axis=1).any())


def _fail(name: str, detail: str) -> Check:
    return Check(name=name, outcome="fail", detail=detail[:MAX_WORDS])
