"""Is a page in the dataset, and if not: which row did it lose against, and are the two really alike?

Duplicates are the connected components of pages whose MinHash agrees in a bucket, so a page need not be like the row
that survived of its component, only linked to it by others. Where the two do not agree, other pages that the dataset
says lost against the same row are judged again, and a chain of them is a witness too.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

from finest.errors import SourceError
from finest.recipe.judge import judge, toolbox
from finest.recipe.reasons import DUPLICATE
from finest.refine.record import find_record, max_record_bytes
from finest.validator.models import SHOWN_CHARS, PageFinding
from finest.validator.soundness import read_claims

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from finest.dataset.open import Dataset
    from finest.recipe.judge import Verdict
    from finest.recipe.recipe import Recipe
    from finest.validator.means import Means
    from finest.validator.models import PageOutcome

MAX_LINKS = 32
"""Pages of a component that are judged again in search of a chain. Nearly all components are a handful of pages that
all agree with each other."""
MAX_JUDGED = 256
"""Pages that are judged again for witnesses in one audit. Past them only direct likeness counts: whoever claims
hundreds of false duplicates cannot use up the audit's time."""

Place = tuple[str, str, int]
"""Record id, source, offset."""
Signatures = list["NDArray[np.uint64]"]


@dataclass(frozen=True, slots=True)
class Kept:
    """A page that the recipe keeps: where it is, and what its text is by MinHash."""

    id: str
    source: str
    offset: int
    verdict: Verdict


class Holdings:
    """What a dataset holds, asked for pages that it should hold.

    Under a recipe that is not `known` (`recipe` stands in for it) a row may hold less of its page than the recipe keeps
    of it: its tokens are counted.
    """

    def __init__(self, dataset: Dataset, recipe: Recipe, means: Means, *, known: bool) -> None:
        self._dataset, self._recipe, self._means, self._known = dataset, recipe, means, known
        self._judged_pages: dict[tuple[str, int], Signatures] = {}
        self._winners: dict[int, Signatures] = {}
        self._components: dict[str, dict[str, Signatures]] = {}

    def find(self, pages: Sequence[Kept]) -> dict[Place, PageFinding]:
        """A finding for each page."""
        self._means.budget.check()
        found: dict[Place, PageFinding] = {}
        held: dict[int, Kept] = {}
        for page, number in zip(pages, self._rows_of([page.id for page in pages]), strict=True):
            if number is None or not self._is_at(number, page):
                found[_place(page)] = self._missing(page)
            else:
                held[number] = page
        tokens = {} if self._known else self._row_tokens(list(held))
        return found | {_place(page): _held(page, tokens.get(number)) for number, page in held.items()}

    def _row_tokens(self, numbers: list[int]) -> dict[int, int]:
        """GPT-2 tokens of those rows' texts: what the rows themselves say under such a recipe nobody has checked."""
        counter = toolbox(self._recipe, self._means.cache).token_counter
        return {n: counter.count(claim.row.text) for n, claim in read_claims(self._dataset, numbers).items()}

    def _rows_of(self, ids: list[str]) -> list[int | None]:
        """Numbers of the rows with those ids; None where there is none."""
        if not ids:
            return []
        numbers: list[int | None] = pc.index_in(pa.array(ids, pa.string()), value_set=self._rows["id"]).to_pylist()
        return numbers

    @cached_property
    def _rows(self) -> pa.Table:
        return self._dataset.row_columns("id", "warc_offset")

    def _is_at(self, number: int, page: Kept) -> bool:
        return bool(self._rows["warc_offset"][number].as_py() == page.offset)

    def _missing(self, page: Kept) -> PageFinding:
        """What the dataset says of a page that it does not hold, held against the texts."""
        self._means.budget.check()
        verdict = self._verdict_of(page)
        if verdict is None:
            return _finding(page, "missed", detail="no verdict")
        reason, rival = verdict
        if reason != DUPLICATE or not rival:
            return _finding(page, "missed", detail=f"its verdict is {reason[:SHOWN_CHARS]!r}")
        (number,) = self._rows_of([rival])
        if number is None:
            return _finding(page, "missed", detail="what it is said to have lost against is no row")
        try:
            linked = self._is_linked(page, rival, number)
        except SourceError as error:
            self._means.warcs.failed(error)
            return _finding(page, "no_evidence", rival, "a WARC cannot be read")
        if linked:
            return _finding(page, "duplicate", rival)
        return _finding(page, "missed", rival, "not like the row that it is said to have lost against")

    def _verdict_of(self, page: Kept) -> tuple[str, str | None] | None:
        table = self._verdicts
        at = pc.index(table["id"], page.id).as_py()
        if at < 0 or table["offset"][at].as_py() != page.offset:
            return None
        return str(table["reason"][at].as_py()), table["duplicate_of"][at].as_py()

    @cached_property
    def _verdicts(self) -> pa.Table:
        return self._dataset.verdict_columns("id", "offset", "reason", "duplicate_of")

    def _is_linked(self, page: Kept, rival: str, number: int) -> bool:
        """Whether the page agrees with the row, or with others that lost against it and lead to it."""
        mine, reached = self._signatures(page), self._row_signatures(number)
        if agree(mine, reached):
            return True
        left = {record_id: others for record_id, others in self._losers(rival).items() if record_id != page.id}
        while reached and not agree(mine, reached):
            near = [record_id for record_id, others in left.items() if agree(others, reached)]
            reached = [signature for record_id in near for signature in left.pop(record_id)]
        return bool(reached)

    def _losers(self, rival: str) -> dict[str, Signatures]:
        """Signatures, by record id, of the first pages that lost against the same row."""
        if rival not in self._components:
            lost = pc.indices_nonzero(pc.equal(self._verdicts["duplicate_of"], rival))
            rows = self._dataset.read_verdicts(lost[:MAX_LINKS].to_pylist()).to_pylist()
            found = {row["id"]: self._judged(row["file_path"], row["offset"], row["id"]) for row in rows}
            self._components[rival] = {record_id: signatures for record_id, signatures in found.items() if signatures}
        return self._components[rival]

    def _judged(self, source: str, offset: int, record_id: str) -> Signatures:
        """What the recipe makes of a page's record; empty where it keeps none, or too many have been asked for."""
        key = source, offset
        if key not in self._judged_pages:
            if len(self._judged_pages) >= MAX_JUDGED or source not in self._means.warcs.names:
                return []
            self._judged_pages[key] = self._judge(source, offset, record_id)
        return self._judged_pages[key]

    def _judge(self, source: str, offset: int, record_id: str) -> Signatures:
        self._means.budget.check()
        warcs, limit = self._means.warcs, max_record_bytes(self._recipe)
        record = find_record(warcs.source(source), offset, record_id, limit, warcs.policy)
        signature = judge(record.page(), self._recipe, self._means.cache).signature if record else None
        return [] if signature is None else [signature]

    def _signatures(self, page: Kept) -> Signatures:
        """Of the text as MinHash saw it, and as the row would have it: with addresses replaced."""
        of_text = self._sign(page.verdict.text or "")
        return [signature for signature in (page.verdict.signature, of_text) if signature is not None]

    def _row_signatures(self, number: int) -> Signatures:
        """Of the row's text, and of what the recipe makes of its record."""
        if number not in self._winners:
            row = read_claims(self._dataset, [number])[number].row
            signature = self._sign(row.text)
            again = self._judged(row.file_path, row.warc_offset, row.id)
            self._winners[number] = again if signature is None else [signature, *again]
        return self._winners[number]

    def _sign(self, text: str) -> NDArray[np.uint64] | None:
        tools = toolbox(self._recipe, self._means.cache)
        return tools.signer.sign(text, tools.tokenizer)


def agree(some: Signatures, others: Signatures) -> bool:
    """Whether any two agree in all hashes of a bucket."""
    return any(bool((one == other).all(axis=1).any()) for one in some for other in others)


def _place(page: Kept) -> Place:
    return page.id, page.source, page.offset


def _held(page: Kept, row_tokens: int | None) -> PageFinding:
    return _finding(page, "held").model_copy(update={"row_tokens": row_tokens})


def _finding(page: Kept, outcome: PageOutcome, witness: str | None = None, detail: str = "") -> PageFinding:
    return PageFinding(
        id=page.id[:SHOWN_CHARS], source=page.source, offset=page.offset, tokens=page.verdict.token_count or 0,
        outcome=outcome, witness=witness and witness[:SHOWN_CHARS], detail=detail,
    )  # fmt: skip
