"""Audit of a merge: its rows are rows of the leased datasets, and each row that is not there is a duplicate of one.

    inputs      the manifest names the leased datasets by their roots, and each still has its root
    rows        every row has the hash of a row of an input; sources and counts of verdicts are those of all inputs
    dropped     every row that is not there has a verdict `duplicate` that names a row that is
    compared    of drawn rows that were dropped, nearly all have nearly the text of the row that is kept instead
    duplicates  few of the rows that were read are duplicates of each other

These checks compare all rows by their hashes, which the roots commit to, series by series; no WARC is read. Of the
rows that were dropped, some are drawn, and their texts are compared with the kept ones as the recipe compares them. A
merge is exact, so there is little tolerance.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from finest.dataset.open import open_dataset
from finest.dataset.sources import sum_counts
from finest.errors import HubNotFound, SourceError, UsageError, VerifyError
from finest.pipeline.assembly.pages import dedup_first
from finest.pipeline.dedup.signatures import with_language
from finest.pipeline.witnesses import Text, jaccard
from finest.recipe.judge import toolbox
from finest.recipe.reasons import DUPLICATE, KEPT
from finest.validator.merge_rows import ComparedRows, Place, compare, taken
from finest.validator.models import MAX_WORDS, SHOWN_CHARS, Check, PageFinding, RowFinding, WindowFinding
from finest.validator.seed import Draw

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

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


class _Dropped(NamedTuple):
    """A row of an input that is no row of the merged dataset."""

    rank: int
    """Its number among all of them."""
    input: int
    number: int
    place: Place
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
        except (HubNotFound, UsageError, VerifyError) as error:
            raise SourceError(f"a dataset to merge cannot be read: {error}") from error
        return found

    def checks(self) -> Iterator[Check]:
        """Check all rows by their hashes, and all that are dropped by their verdicts."""
        yield self._check_rows()
        yield self._check_dropped()

    def _check_rows(self) -> Check:
        if why := self._difference() or self._rows.foreign:
            return _fail("rows", why)
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
        gone = self._rows.without_winner()
        count = self._rows.unexplained_count + len(gone)
        if not count:
            return Check(name="dropped", outcome="pass")
        source, _, id = self._rows.unexplained or self._dropped(int(gone[0])).place
        return _fail("dropped", f"{count} rows are missing and are no duplicates of a row; {id} of {source}")

    def rows(self, seed: str, count: int) -> list[RowFinding]:
        """Return findings of drawn rows, which the check of all rows has found in the inputs."""
        numbers = sorted(Draw(seed, "rows").sample(self._dataset.manifest.rows, count))
        found = taken(self._dataset, numbers, "row_hash", "id", "file_path", "warc_offset")
        return [
            RowFinding(
                number=number, id=row["id"][:SHOWN_CHARS], source=row["file_path"][:SHOWN_CHARS],
                offset=row["warc_offset"], expected=row["row_hash"], found=row["row_hash"], outcome="same",
            )
            for number, row in zip(numbers, found, strict=True)
        ]  # fmt: skip

    def windows(self, seed: str, count: int) -> list[WindowFinding]:
        """Draw rows that are there, and as many that are not, from all inputs; compare these with the kept ones."""
        ends = np.cumsum([one.manifest.rows for one in self._inputs])
        firsts = np.concatenate(([0], ends[:-1]))
        dropped = firsts[self._rows.inputs] + self._rows.numbers
        drawn = np.array(sorted(Draw(seed, "windows").sample(int(ends[-1]), count)), np.int64)
        drawn = drawn[~np.isin(drawn, dropped)]
        of = np.searchsorted(ends, drawn, side="right")
        found = defaultdict(list, {at: self._held(at, drawn[of == at] - firsts[at]) for at in np.unique(of).tolist()})
        for index in Draw(seed, "dropped").sample(len(dropped), count):
            self._context.budget.check()
            row = self._dropped(index)
            found[row.input].append(self._compared(row))
        return [
            WindowFinding(source=self._lease.inputs[at].place, offset=0, pages=len(pages), kept=tuple(pages))
            for at, pages in sorted(found.items())
        ]

    def _held(self, at: int, numbers: NDArray[np.int64]) -> list[PageFinding]:
        return [
            PageFinding(
                id=row["id"][:SHOWN_CHARS], source=row["file_path"][:SHOWN_CHARS], offset=row["warc_offset"],
                tokens=max(0, row["token_count"]), outcome="held",
            )
            for row in taken(self._inputs[at], numbers.tolist(), "id", "file_path", "warc_offset", "token_count")
        ]  # fmt: skip

    def _compared(self, row: _Dropped) -> PageFinding:
        source, offset, id = row.place
        kept = self._candidates(row)
        holds = self._is_duplicate(row, kept)
        return PageFinding(
            id=id[:SHOWN_CHARS], source=source[:SHOWN_CHARS], offset=offset, tokens=row.tokens,
            outcome="duplicate" if holds else "missed", witness=kept[0]["id"][:SHOWN_CHARS],
            detail="" if holds else "its text is not nearly that of the row that is kept instead",
        )  # fmt: skip

    def _candidates(self, row: _Dropped) -> list[dict[str, Any]]:
        """Return the rows with the id that is kept instead of a dropped row."""
        at = np.flatnonzero(self._rows.ids == self._rows.winners[row.rank])[:MAX_CANDIDATES].tolist()
        found: list[dict[str, Any]] = self._dataset.read_rows(at).select(["id", "text", "language", "dump"]).to_pylist()
        return found

    def _is_duplicate(self, row: _Dropped, candidates: Sequence[dict[str, Any]]) -> bool:
        recipe = self._recipe
        own = self._text(row)
        kept = [
            Text(one["text"], one["language"]) for one in candidates if not self._by_dump or one["dump"] == row.dump
        ]
        if least := recipe.dedup.min_jaccard:
            return any(jaccard(own, text, recipe, self._context.cache) >= least for text in kept)
        return self._are_linked(own, kept, row)

    def _are_linked(self, own: Text, kept: Sequence[Text], row: _Dropped) -> bool:
        """Whether signatures lead from a text to a kept one, over other texts that are dropped for the same row."""
        wanted = [self._signature(text) for text in kept]
        reached, others = [self._signature(own)], None
        while reached:
            here = reached.pop()
            if any(_agree(here, one) for one in wanted):
                return True
            if others is None:
                same = np.flatnonzero(self._rows.winners == self._rows.winners[row.rank]).tolist()
                near = [self._dropped(index) for index in same if index != row.rank][:MAX_LINKS]
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
    def _rows(self) -> ComparedRows:
        return compare(self._dataset, self._inputs, self._context.budget.check)

    def _dropped(self, index: int) -> _Dropped:
        """Return a dropped row."""
        at, number = int(self._rows.inputs[index]), int(self._rows.numbers[index])
        names = ("file_path", "warc_offset", "id", "dump", "token_count")
        (row,) = taken(self._inputs[at], [number], *names)
        place = (row["file_path"], row["warc_offset"], row["id"])
        return _Dropped(index, at, number, place, row["dump"], max(0, row["token_count"]))


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
