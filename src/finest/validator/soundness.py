"""Soundness: whether each row is what the recipe makes of its WARC record, byte for byte.

Rows are drawn over the whole dataset and judged again in the order of the draw until the sequential test is sure. Under
a recipe that this version has, a row's hash must equal that of the recomputed row. Under any other recipe its text must
be taken from its page in the page's order (`finest.validator.extractive`), its other columns must match the record, and
it may not state many more tokens than its text has, because tokens are what is paid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from finest.dataset.clusters import size_in, with_size
from finest.dataset.places import Place
from finest.dataset.rows import Row, row_hash, rows_of
from finest.errors import SourceError, VerifyError
from finest.pipeline.record import find_records, max_record_bytes, row_of
from finest.pipeline.verify import NOT_REPEATABLE
from finest.recipe.judge import judge, toolbox
from finest.recipe.recipe import load_recipe
from finest.tasks.reference import REFERENCE_RECIPE
from finest.validator.extractive import MIN_SHARE, extractive_share, visible_text, words
from finest.validator.models import SHOWN_CHARS, RowFinding
from finest.validator.scored import RowScores
from finest.validator.seed import Draw
from finest.validator.sprt import SEQUENTIAL
from finest.validator.uncontaminated import RowItems
from finest.warc.source import dump_of

if TYPE_CHECKING:
    from finest.dataset.open import Dataset
    from finest.recipe.recipe import Recipe
    from finest.validator.context import AuditContext
    from finest.warc.slices import Record

MAX_TEXT_BYTES = 4 * 1024 * 1024
"""Maximum bytes of a row's text. The shipped recipes allow at most 100,000 words of ten letters on average."""
MAX_SAMPLE_BYTES = 256 * 1024 * 1024
"""Maximum bytes of the texts of all drawn rows."""

MOST_STATED, STATED_SLACK = 1.1, 32
"""A row of an unknown recipe may state this many times the tokens of its text, and so many more: tokens are counted
before personal data is replaced, which changes a few of them."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A row of the dataset, and its stated hash (which was recomputed when it was read)."""

    number: int
    row: Row
    hash: str
    rank: int = 0
    """Number of earlier rows that claim a record with the same id at the same offset: 0, unless a gzip member holds
    several records that share an id."""

    @property
    def place(self) -> Place:
        return Place(self.row.file_path, self.row.warc_offset, self.row.id)


def check_rows(
    dataset: Dataset, recipe: Recipe | None, seed: str, count: int, context: AuditContext
) -> list[RowFinding]:
    """Return the findings of the checked rows, in the order of the draw; `recipe` is None for an unknown recipe.

    Raises VerifyError if the dataset cannot be read within its limits, and OverBudget.
    """
    drawn = Draw(seed, "rows").sample(dataset.manifest.rows, count)
    claims = _ranked(dataset, read_claims(dataset, drawn))
    scores = RowScores.of(dataset.manifest, context) if recipe is None else None
    items = RowItems.of(dataset.manifest, context) if recipe is None else None
    findings: list[RowFinding] = []
    bad = checked = 0
    for number in drawn:
        context.budget.check()
        finding = check_row(claims[number], recipe, context)
        if scores is not None:
            finding = scores.checked(finding, claims[number].row)
        if items is not None:
            finding = items.checked(finding, claims[number].row)
        findings.append(finding)
        bad, checked = bad + (finding.outcome == "forged"), checked + (finding.outcome != "no_evidence")
        if SEQUENTIAL.decide(bad, checked) is not None:
            break
    return findings


def read_claims(dataset: Dataset, numbers: Sequence[int]) -> dict[int, Claim]:
    """Read these rows, one row group at a time; raises VerifyError if their texts are longer than rows can be."""
    claims: dict[int, Claim] = {}
    size = 0
    for part in by_group(dataset, numbers):
        table = dataset.read_rows(part).combine_chunks()
        for batch in table.to_batches():
            for number, row, digest in zip(part, rows_of(batch), batch["row_hash"].to_pylist(), strict=True):
                length = len(row.text.encode())
                size += length
                if length > MAX_TEXT_BYTES or size > MAX_SAMPLE_BYTES:
                    raise VerifyError(f"row {number} has a text of {length} bytes: longer than rows of ours can be")
                claims[number] = Claim(number, row, digest)
    return claims


def _ranked(dataset: Dataset, claims: dict[int, Claim]) -> dict[int, Claim]:
    """Return the claims, each with its rank among all rows of the dataset that name the same place."""
    places = dataset.row_places.find({claim.place for claim in claims.values()})
    return {n: replace(claim, rank=places[claim.place].index(n)) for n, claim in claims.items()}


def by_group(dataset: Dataset, numbers: Sequence[int]) -> Iterator[list[int]]:
    """Yield the row numbers in ascending order, grouped by row group, so that each group is read once."""
    wanted = sorted(set(numbers))
    for group in dataset.row_groups():
        part = [number for number in wanted if group.first_row <= number < group.first_row + group.rows]
        if part:
            yield part


def check_row(claim: Claim, recipe: Recipe | None, context: AuditContext) -> RowFinding:
    """Judge one row again. A source that cannot be read gives no evidence; a missing record means a forged row."""
    row = claim.row
    finding = RowFinding(
        number=claim.number, id=row.id[:SHOWN_CHARS], source=row.file_path[:SHOWN_CHARS], offset=row.warc_offset,
        expected=claim.hash, found=None, outcome="forged",
    )  # fmt: skip
    if row.file_path not in context.warcs.names:
        return finding.model_copy(update={"detail": "its WARC is not among those of the task"})
    try:
        source = context.warcs.source(row.file_path)
        limit = max_record_bytes(recipe)
        records = find_records(source, row.warc_offset, row.id, limit, context.warcs.policy)
    except SourceError as error:
        context.warcs.failed(error)
        detail = "its WARC cannot be read"
        return finding.model_copy(update={"outcome": "no_evidence", "detail": detail})
    if claim.rank >= len(records):
        return finding.model_copy(update={"detail": _none_left(claim, records)})
    return finding.model_copy(update=_held_against(records, claim, recipe, context))


def _none_left(claim: Claim, records: Sequence[Record]) -> str:
    """Say why no record is left for a row. A record gives one row, so several rows of one page would fake volume."""
    if not records:
        return "no such record at that offset"
    return f"row number {claim.rank + 1} of one place, where {len(records)} of such records lie"


def _held_against(
    records: Sequence[Record], claim: Claim, recipe: Recipe | None, context: AuditContext
) -> dict[str, object]:
    """Return the finding of the first record that gives the row; otherwise that of the first possible record.

    There is more than one record only if a gzip member holds several that share an id.
    """
    named = (claim.row.url, claim.row.date)
    of_name = [record for record in records if (record.url, record.date) == named]
    findings = []
    for record in of_name or records[:1]:
        context.budget.check()
        findings.append(_made_anew(record, claim, recipe, context) if recipe else _taken_from(record, claim, context))
        if findings[-1].get("outcome") == "same":
            return findings[-1]
    return next((finding for finding in findings if "outcome" in finding), findings[0])


def _made_anew(record: Record, claim: Claim, recipe: Recipe, context: AuditContext) -> dict[str, object]:
    verdict = judge(record.page(), recipe, context.cache)
    if verdict.reason in NOT_REPEATABLE:
        return {
            "outcome": "no_evidence",
            "detail": f"judged again it is {verdict.reason!r}, which machines may not share",
        }
    if not verdict.kept:
        return {"detail": f"judged again it is {verdict.reason!r}"}
    found = row_hash(with_size(row_of(record, verdict, claim.row.file_path), size_in(claim.row)))
    return {"found": found, "outcome": "same"} if found == claim.hash else {"found": found, "detail": "another row"}


def _taken_from(record: Record, claim: Claim, context: AuditContext) -> dict[str, object]:
    row = claim.row
    stated = replace(
        row, id=record.id, url=record.url, date=record.date, dump=dump_of(row.file_path), warc_offset=record.offset,
        warc_length=record.length,
    )  # fmt: skip
    found = row_hash(stated)
    if found != claim.hash:
        return {"found": found, "detail": "its address, date or place is not the record's"}
    share = extractive_share(row.text, visible_text(record.page()))
    if share < MIN_SHARE:  # an unknown recipe may decode pages in the other way
        share = max(share, extractive_share(row.text, visible_text(record.page(), "datatrove")))
    if share < MIN_SHARE:
        return {"found": None, "detail": f"{share:.3f} of its words are taken from the page in its order"}
    tokens = toolbox(load_recipe(REFERENCE_RECIPE), context.cache).token_counter.count(row.text)
    if row.token_count > MOST_STATED * tokens + STATED_SLACK:
        return {"found": None, "detail": f"it states {row.token_count} tokens, and its text has {tokens}"}
    return {"found": found, "outcome": "same", "words": len(words(row.text)), "taken": share}
