"""Check whether a page is in the dataset, or really is a duplicate of the row that the dataset names for it.

Duplicates are the connected components of pages whose MinHash signatures agree in a bucket, so a page need not be
similar to the row that was kept of its component, only linked to it through other pages. If the two do not agree, other
pages that the dataset lists as duplicates of the same row are judged again; a chain of them also proves the duplicate.
Under a recipe with `[dedup] min_jaccard`, only the texts of the two prove it. The row may be one of an earlier dataset,
if the auditor names that one (`AuditContext.earlier`): whoever may choose it could drop any page for a copy of it.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from finest.dataset.places import Place, numbers_where
from finest.dataset.rows import batch_of, schema_with
from finest.dataset.selection import unsatisfied
from finest.errors import SourceError
from finest.pipeline.record import find_records, max_record_bytes
from finest.pipeline.witnesses import Text, jaccard, rows_with_ids
from finest.recipe.judge import judge, toolbox
from finest.recipe.reasons import DUPLICATE, KEPT
from finest.recipe.stages import ORDERS
from finest.validator.models import SHOWN_CHARS, PageFinding
from finest.validator.soundness import read_claims
from finest.warc.source import dump_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from finest.dataset.open import Dataset
    from finest.dataset.rows import Row
    from finest.recipe.judge import Verdict
    from finest.recipe.recipe import Recipe
    from finest.validator.context import AuditContext
    from finest.validator.models import PageOutcome
    from finest.validator.soundness import Claim

MAX_LINKS = 32
"""Pages of a component that are judged again in search of a chain. Nearly all components are a few pages that all agree
with each other."""
MAX_JUDGED = 256
"""Pages that are judged again as witnesses in one audit. Beyond them only direct similarity counts, so that a miner who
claims hundreds of false duplicates cannot use up the audit's time."""

MAX_CANDIDATES = 256
"""Maximum number of rows with the same record id that are tried as the row kept instead of a page. A verdict names that
row only by its id, and careless writers give one id to many records. More rows than this give no evidence. Common
Crawl's ids are unique."""

Signatures = list["NDArray[np.uint64]"]


class Key(NamedTuple):
    """The key of a page record in a source."""

    place: Place
    ordinal: int
    """Number of earlier page records at the same place: 0, unless a gzip member holds several records with one id."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A page that the recipe keeps: its key, its verdict with text and MinHash signature, and its row."""

    key: Key
    verdict: Verdict
    row: Row


class DatasetPages:
    """Looks up in a dataset the pages that it should hold.

    If the recipe is not `known` (`recipe` replaces it), a row may contain less of its page than `recipe` keeps, so the
    tokens of its text are counted.
    """

    def __init__(self, dataset: Dataset, recipe: Recipe, context: AuditContext, *, known: bool) -> None:
        self._dataset, self._recipe, self._means, self._known = dataset, recipe, context, known
        self._rules = dataset.manifest.rules if known else ()  # rows of another recipe may lack the columns
        self._judged_pages: dict[Place, list[Verdict]] = {}
        self._winners: dict[int, Signatures] = {}
        self._texts: dict[int, tuple[Claim, Signatures]] = {}
        self._rows_of: dict[str, list[int]] = {}
        self._earlier: dict[str, list[dict[str, Any]]] = {}
        self._verdict_numbers: dict[Place, list[int]] = {}
        self._components: dict[tuple[str, str], dict[int, Signatures]] = {}

    def find(self, pages: Sequence[Kept]) -> dict[Key, PageFinding]:
        """Return a finding for each page."""
        self._means.budget.check()
        held = self._held(pages)
        missing = [page for page in pages if page.key not in held]
        self._look_up_verdicts(missing)
        self._read_texts([number for page in missing for number in self._candidate_rows(page)])
        self._read_earlier(missing)
        tokens = {} if self._known else self._row_tokens(list(held.values()))
        return {
            page.key: _held(page, tokens.get(held[page.key])) if page.key in held else self._missing(page)
            for page in pages
        }

    def _held(self, pages: Sequence[Kept]) -> dict[Key, int]:
        """Return the row of each page that has one.

        If a gzip member holds several records that share an id, their rows share one place. If there are fewer rows
        than pages, the rows go first to the pages that the dataset says it kept.
        """
        places = self._dataset.row_places.find({page.key.place for page in pages})
        at: dict[Place, list[Kept]] = defaultdict(list)
        for page in pages:
            at[page.key.place].append(page)
        held: dict[Key, int] = {}
        for place, here in at.items():
            rows = places[place]
            if 0 < len(rows) < len(here):
                self._look_up_verdicts(here)
                here.sort(key=self._is_said_to_be_kept, reverse=True)
            held |= {page.key: row for page, row in zip(here, rows, strict=False)}
        return held

    def _look_up_verdicts(self, pages: Sequence[Kept]) -> None:
        if pages:
            self._verdict_numbers |= self._dataset.verdict_places.find({page.key.place for page in pages})

    def _is_said_to_be_kept(self, page: Kept) -> bool:
        verdict = self._verdict_of(page)
        return verdict is not None and verdict[0] == KEPT

    def _row_tokens(self, numbers: list[int]) -> dict[int, int]:
        """Count the GPT-2 tokens of these rows' texts; under an unknown recipe the stated counts were not checked."""
        counter = toolbox(self._recipe, self._means.cache).token_counter
        return {n: counter.count(claim.row.text) for n, claim in read_claims(self._dataset, numbers).items()}

    def _missing(self, page: Kept) -> PageFinding:
        """Compare what the dataset says about a page that it does not hold with the texts."""
        self._means.budget.check()
        verdict = self._verdict_of(page)
        if verdict is None:
            return _finding(page, "missed", detail="no verdict")
        reason, kept_id = verdict
        if rules := [rule for rule in self._rules if rule.reason == reason]:
            row = batch_of([page.row], schema_with(self._dataset.manifest.columns))
            if unsatisfied(row, rules, self._means.cache) is None:
                return _finding(page, "missed", detail="left out, and its row satisfies the selection")
            return _finding(page, "left_out")
        if reason != DUPLICATE or not kept_id:
            return _finding(page, "missed", detail=f"its verdict is {reason[:SHOWN_CHARS]!r}")
        numbers = self._candidate_rows(page)
        try:
            linked = (
                self._is_linked_to_one(page, kept_id, numbers)
                or self._is_linked_to_no_row(page, kept_id)
                or self._is_linked_to_earlier(page, kept_id)
            )
        except SourceError as error:
            self._means.warcs.failed(error)
            return _finding(page, "no_evidence", kept_id, "a WARC cannot be read")
        if linked:
            return _finding(page, "duplicate", kept_id)
        if not numbers:
            return _finding(page, "missed", detail="what it is said to have lost against is no row")
        if len(numbers) == MAX_CANDIDATES:
            return _finding(page, "no_evidence", kept_id, "too many rows have the id of what it lost against")
        return _finding(page, "missed", kept_id, "not like the row that it is said to have lost against")

    def _candidate_rows(self, page: Kept) -> list[int]:
        """Return the rows with the id of the row named as kept instead of the page; nearly always one row."""
        verdict = self._verdict_of(page)
        if verdict is None or verdict[0] != DUPLICATE or not verdict[1]:
            return []
        kept_id = verdict[1]
        if kept_id not in self._rows_of:
            self._rows_of[kept_id] = self._dataset.row_places.with_id(kept_id, MAX_CANDIDATES)
        return self._rows_of[kept_id]

    def _verdict_of(self, page: Kept) -> tuple[str, str | None] | None:
        place, ordinal = page.key
        numbers = self._verdict_numbers[place]
        if ordinal >= len(numbers):
            return None
        reason, kept_id = (self._verdicts[name][numbers[ordinal]].as_py() for name in ("reason", "duplicate_of"))
        return str(reason), kept_id

    @cached_property
    def _verdicts(self) -> pa.Table:
        return self._dataset.verdict_columns("reason", "duplicate_of")

    def _is_linked_to_one(self, page: Kept, kept_id: str, numbers: list[int]) -> bool:
        """Return whether the page agrees with one of the rows with that id, or is linked to one."""
        mine, text = self._signatures(page), page.verdict.text
        numbers = [n for n in numbers if self._is_compared(page, self._texts[n][0].row.file_path)]
        if self._recipe.dedup.min_jaccard:
            return any(
                self._resembles(page, self._texts[n][0].row.text, self._texts[n][0].row.language) for n in numbers
            )
        if any(
            text == its.row.text or agree(mine, signatures) for its, signatures in (self._texts[n] for n in numbers)
        ):
            return True
        return any(self._is_linked(page, kept_id, number) for number in numbers[:MAX_LINKS])

    def _resembles(self, page: Kept, text: str, language: str | None) -> bool:
        """Return whether the page has enough shingles in common with a text that the dataset keeps or left out."""
        own = Text(page.verdict.text or "", page.verdict.language)
        found = jaccard(own, Text(text, language), self._recipe, self._means.cache)
        return found >= self._recipe.dedup.min_jaccard

    def _is_compared(self, page: Kept, source: str) -> bool:
        """Return whether the recipe compares the page with those of that source."""
        return self._recipe.dedup.scope == "run" or dump_of(source) == dump_of(page.key.place.source)

    def _is_linked_to_no_row(self, page: Kept, kept_id: str) -> bool:
        """Return whether the page agrees with, or is linked to, a page with that id that has no row for a good reason.

        A selection left its row out, or the recipe deduplicates before its filters and they dropped it.
        """
        reasons = {rule.reason for rule in self._rules}
        dropped_later = self._known and ORDERS[self._recipe.order].dedup_first
        if not reasons and not dropped_later:
            return False
        for number in self._dataset.verdict_places.with_id(kept_id, MAX_LINKS):
            reason = self._verdicts["reason"][number].as_py()
            if reason in reasons or (dropped_later and reason not in (KEPT, DUPLICATE)):
                row = self._dataset.read_verdicts([number]).to_pylist()[0]
                if not self._is_compared(page, row["file_path"]):
                    continue
                place = Place(row["file_path"], row["offset"], row["id"])
                if self._recipe.dedup.min_jaccard:
                    verdicts = self._verdicts_of(place)
                    found = any(self._resembles(page, verdict.text or "", verdict.language) for verdict in verdicts)
                else:
                    found = self._is_chained(page, kept_id, self._judged(place))
                if found:
                    return True
        return False

    def _is_linked_to_earlier(self, page: Kept, kept_id: str) -> bool:
        """Return whether the page agrees with, or is linked to, a row with that id of an earlier dataset."""
        dump = dump_of(page.key.place.source)
        for row in self._earlier.get(kept_id, ()):
            text, language = row["text"], row["language"]
            if self._recipe.dedup.scope == "dump" and row["dump"] != dump:
                continue
            if self._recipe.dedup.min_jaccard:
                found = self._resembles(page, text, language)
            else:
                signature = self._sign(text, language)
                found = page.verdict.text == text
                found = found or (signature is not None and self._is_chained(page, kept_id, [signature]))
            if found:
                return True
        return False

    def _read_earlier(self, missing: Sequence[Kept]) -> None:
        """Read the rows of the earlier datasets that the verdicts of duplicates name and that are not here."""
        if not self._means.earlier:
            return
        verdicts = [self._verdict_of(page) for page in missing if not self._candidate_rows(page)]
        named = {one[1] for one in verdicts if one is not None and one[0] == DUPLICATE and one[1]}
        if new := named - self._earlier.keys():
            for dataset in self._means.earlier:
                for id, rows in rows_with_ids(dataset, new).items():
                    self._earlier[id] = [*self._earlier.get(id, ()), *rows]
            self._earlier |= {id: [] for id in new - self._earlier.keys()}

    def _read_texts(self, numbers: list[int]) -> None:
        """Read these rows and the signatures of their texts; each row group is read once."""
        for number, claim in read_claims(self._dataset, numbers).items():
            self._means.budget.check()
            signature = self._sign(claim.row.text, claim.row.language)
            self._texts[number] = claim, [] if signature is None else [signature]

    def _is_linked(self, page: Kept, kept_id: str, number: int) -> bool:
        """Return whether the page agrees with the row, directly or through a chain of its other duplicates."""
        return self._is_chained(page, kept_id, self._row_signatures(number))

    def _is_chained(self, page: Kept, kept_id: str, reached: Signatures) -> bool:
        """Return whether the page agrees with one of the signatures, or with a chain of duplicates that does."""
        mine = self._signatures(page)
        if agree(mine, reached):
            return True
        left = dict(self._duplicates_of(page, kept_id))
        while reached and not agree(mine, reached):
            near = [number for number, others in left.items() if agree(others, reached)]
            reached = [signature for number in near for signature in left.pop(number)]
        return bool(reached)

    def _duplicates_of(self, page: Kept, kept_id: str) -> dict[int, Signatures]:
        """Return the signatures, by verdict number, of the first duplicates of the rows with that id.

        They are those that the recipe compares with the page.
        """
        key = kept_id, dump_of(page.key.place.source)
        if key not in self._components:
            lost = numbers_where(pc.equal(self._verdicts["duplicate_of"], kept_id))[:MAX_LINKS].to_pylist()
            rows = self._dataset.read_verdicts(lost).to_pylist()
            found = {
                number: self._judged(Place(row["file_path"], row["offset"], row["id"]))
                for number, row in zip(lost, rows, strict=True)
                if self._is_compared(page, row["file_path"])
            }
            self._components[key] = {number: signatures for number, signatures in found.items() if signatures}
        return self._components[key]

    def _judged(self, place: Place) -> Signatures:
        """Return the signatures of a place's records; empty if the recipe keeps none or MAX_JUDGED is reached."""
        return [verdict.signature for verdict in self._verdicts_of(place) if verdict.signature is not None]

    def _verdicts_of(self, place: Place) -> list[Verdict]:
        if place not in self._judged_pages:
            if len(self._judged_pages) >= MAX_JUDGED or place.source not in self._means.warcs.names:
                return []
            self._judged_pages[place] = self._judge(place)
        return self._judged_pages[place]

    def _judge(self, place: Place) -> list[Verdict]:
        self._means.budget.check()
        warcs, limit = self._means.warcs, max_record_bytes(self._recipe)
        records = find_records(warcs.source(place.source), place.offset, place.id, limit, warcs.policy)
        return [judge(record.page(), self._recipe, self._means.cache) for record in records[:MAX_LINKS]]

    def _signatures(self, page: Kept) -> Signatures:
        """Return signatures of the text as MinHash saw it, and of the row's text, in which addresses are replaced."""
        of_text = self._sign(page.verdict.text or "", page.verdict.language)
        return [signature for signature in (page.verdict.signature, of_text) if signature is not None]

    def _row_signatures(self, number: int) -> Signatures:
        """Return the signatures of the row's text, and of what the recipe makes of its record."""
        if number not in self._winners:
            claim, of_text = self._texts[number]
            self._winners[number] = [*of_text, *self._judged(claim.place)]
        return self._winners[number]

    def _sign(self, text: str, language: str | None) -> NDArray[np.uint64] | None:
        tools = toolbox(self._recipe, self._means.cache)
        return tools.signer.sign(text, tools.tokenizer_for(language))


def agree(some: Signatures, others: Signatures) -> bool:
    """Return whether any two signatures agree in all hashes of a bucket."""
    return any(bool((one == other).all(axis=1).any()) for one in some for other in others)


def _held(page: Kept, row_tokens: int | None) -> PageFinding:
    return _finding(page, "held").model_copy(update={"row_tokens": row_tokens})


def _finding(page: Kept, outcome: PageOutcome, witness: str | None = None, detail: str = "") -> PageFinding:
    return PageFinding(
        id=page.key.place.id[:SHOWN_CHARS], source=page.key.place.source, offset=page.key.place.offset,
        tokens=page.verdict.token_count or 0, outcome=outcome, witness=witness and witness[:SHOWN_CHARS], detail=detail,
    )  # fmt: skip
