"""Evidence of a verdict: draws the conclusion from the findings, and signs, writes and reads the record."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from finest.atomic_files import write_whole
from finest.errors import UsageError
from finest.recipe.recipe import canonical_json
from finest.tasks.reference import REFERENCE_RECIPE
from finest.validator.models import MAX_WORDS, Check, Evidence, Outcome, PageFinding, RowFinding, WindowFinding
from finest.validator.score import Measured, Score, is_forged, score
from finest.validator.sprt import SEQUENTIAL

if TYPE_CHECKING:
    from finest.chain.wallet import Hotkey
    from finest.validator.models import Quality

QUALITY = "quality"
"""Name of the check that explains missing quality figures."""
MIN_CHECKED_SHARE = 0.5
"""The smallest share of planned rows, and of windows, that must be checked; with less there is no evidence."""
MIN_EXTRACTIVE_SHARE, MIN_EXTRACTIVE_ROWS, MAX_COUNTED_WORDS = 0.95, 20, 2_000
"""Limits for rows of an unknown recipe. If there are at least MIN_EXTRACTIVE_ROWS of them, at least
MIN_EXTRACTIVE_SHARE of their words must come from their pages, where each row counts at most MAX_COUNTED_WORDS words.
Otherwise each row could take a fifth of its text from elsewhere. For real pages the share was 0.998 in 400 rows of
trafilatura's and 0.997 in 400 of resiliparse's."""
MIN_RECALL = 0.5
"""The smallest share that passes of the pages to keep, and of the text of those that are there, whatever the recipe. A
recipe may drop what the reference keeps, but a dataset without half of it is no refinement of its WARCs; the WARCs are
given out again."""
ESTIMATE_ERROR = 1.05
"""A million reference tokens come from some 300 windows; if the tokens of a window vary by half, their sum has an error
of 3 %. Claims beyond it are not paid, and no strategy may earn more than this."""
MAX_EVIDENCE_BYTES = 64 * 1024 * 1024


def conclude(
    admission: Sequence[Check], rows: Sequence[RowFinding], windows: Sequence[WindowFinding], *,
    rows_planned: int, known: bool,
) -> tuple[Outcome, str]:  # fmt: skip
    """Return the verdict and its reason in one line. Proven fraud counts even if other checks were not possible."""
    failed = next((check for check in admission if check.outcome == "fail"), None)
    if failed:
        return "fail", f"not admissible ({failed.name}): {failed.detail}"
    if lie := _lie(rows, windows, counts=known or not rows_planned):
        return "fail", lie
    unknown = next((check for check in admission if check.outcome == "no_evidence"), None)
    if unknown:
        return "no_evidence", f"{unknown.name}: {unknown.detail}"
    if little := _little_recall(windows):
        return "fail", little
    gap = _missing_evidence(rows, windows, rows_planned)
    return ("no_evidence", gap) if gap else ("pass", _pass_summary(rows, windows))


def rows_counted(rows: Sequence[RowFinding]) -> tuple[int, int]:
    """Return (checked, bad): the number of rows with evidence, and how many of them are forged."""
    return sum(row.outcome != "no_evidence" for row in rows), sum(row.outcome == "forged" for row in rows)


def pages_counted(windows: Sequence[WindowFinding]) -> tuple[int, int]:
    """Return (checked, missed): the pages with evidence that belong in the dataset, and how many are missing."""
    pages = kept_pages(windows)
    return sum(page.outcome not in ("no_evidence", "left_out") for page in pages), sum(
        page.outcome == "missed" for page in pages
    )


def kept_pages(windows: Sequence[WindowFinding]) -> list[PageFinding]:
    """Return the pages of all windows that the recipe keeps, without repetition."""
    return [page for window in windows for page in window.kept]


def _lie(rows: Sequence[RowFinding], windows: Sequence[WindowFinding], *, counts: bool) -> str | None:
    return _forged_rows(rows) or _foreign_text(rows) or _missing_pages(windows, counts=counts)


def _forged_rows(rows: Sequence[RowFinding]) -> str | None:
    checked, bad = rows_counted(rows)
    if not is_forged(bad, checked) and SEQUENTIAL.decide(bad, checked) != "forged":
        return None
    first = next(row for row in rows if row.outcome == "forged")
    return f"{bad} of {checked} rows are forged; row {first.number} ({first.id}): {first.detail}"


def _foreign_text(rows: Sequence[RowFinding]) -> str | None:
    """For an unknown recipe, return a reason to fail if the rows have too much text that is not from their pages."""
    counted = [
        (min(row.words, MAX_COUNTED_WORDS), row.taken)
        for row in rows
        if row.words is not None and row.taken is not None
    ]
    words = sum(count for count, _ in counted)
    taken = sum(count * share for count, share in counted)
    if len(counted) < MIN_EXTRACTIVE_ROWS or taken >= MIN_EXTRACTIVE_SHARE * words:
        return None
    share = f"{taken / words:.3f} of the words of {len(counted)} rows"
    return f"{share} are taken from their pages, {MIN_EXTRACTIVE_SHARE} are expected"


def _missing_pages(windows: Sequence[WindowFinding], *, counts: bool) -> str | None:
    """Return a reason to fail if more pages are missing than chance explains and `counts` is true.

    Under an unknown recipe missing pages lower the recall instead. They count as fraud only if no rows were planned
    because the dataset has none, so that nothing else about it can be checked.
    """
    checked, missed = pages_counted(windows)
    if not counts or not is_forged(missed, checked):
        return None
    first = next(page for page in kept_pages(windows) if page.outcome == "missed")
    return f"{missed} of {checked} pages are missing; {first.id} of {first.source}: {first.detail}"


def _little_recall(windows: Sequence[WindowFinding]) -> str | None:
    """Return a reason to fail if the dataset lacks more than half of the pages to keep or of their text."""
    checked, missed = pages_counted(windows)
    if checked and checked - missed < MIN_RECALL * checked:
        return f"recall {1 - missed / checked:.2f}: {missed} of {checked} pages are missing, at most half may be"
    held = [page for page in kept_pages(windows) if page.outcome == "held"]
    wanted, there = sum(page.tokens for page in held), sum(_tokens_there(page) for page in held)
    if there < MIN_RECALL * wanted:
        return f"the rows have {there / wanted:.2f} of the text of their pages, at least half is expected"
    return None


def _missing_evidence(rows: Sequence[RowFinding], windows: Sequence[WindowFinding], rows_planned: int) -> str | None:
    checked, bad = rows_counted(rows)
    if SEQUENTIAL.decide(bad, checked) is None and checked < MIN_CHECKED_SHARE * rows_planned:
        return f"only {checked} of {rows_planned} rows could be judged again"
    seen = sum(not window.detail for window in windows)
    if seen < MIN_CHECKED_SHARE * len(windows):
        return f"only {seen} of {len(windows)} windows could be judged"
    return None


def _pass_summary(rows: Sequence[RowFinding], windows: Sequence[WindowFinding]) -> str:
    (checked, bad), (pages, missed) = rows_counted(rows), pages_counted(windows)
    return f"{checked - bad} of {checked} rows are what they should be, {pages - missed} of {pages} pages are there"


def with_quality(evidence: Evidence, quality: Quality) -> Evidence:
    """Return the evidence with quality figures and score."""
    found = measured(evidence, quality)
    changes = {"quality": quality, "measured": found, "score": score(found), "signature": None}
    evidence = evidence.model_copy(update=changes)
    return evidence.model_copy(update={"total": total_of(evidence)})


def scored(evidence: Evidence) -> Score | None:
    """Recompute the score's factors from the figures; None if quality was not measured."""
    return score(measured(evidence, evidence.quality)) if evidence.quality else None


def total_of(evidence: Evidence) -> float:
    """Return the score, from 0 to 1; 0 for every verdict except a pass."""
    found = scored(evidence)
    return found.total if found and evidence.verdict == "pass" else 0.0


def without_quality(evidence: Evidence, outcome: Outcome, why: str) -> Evidence:
    """Return the evidence of an audit that passed, but whose quality check gave no evidence or failed."""
    check = Check(name=QUALITY, outcome=outcome, detail=why[:MAX_WORDS])
    changes = {"admission": (*evidence.admission, check), "verdict": outcome, "why": f"{QUALITY}: {check.detail}"}
    return evidence.model_copy(update=changes)


def is_dishonest(evidence: Evidence) -> bool:
    """Return whether the audit proved fraud: forged rows or missing pages.

    Little recall under an unknown recipe is no fraud: the recipe may have dropped the pages.
    """
    if evidence.verdict != "fail" or any(check.outcome == "fail" for check in evidence.admission):
        return False
    if not _little_recall(evidence.windows):
        return True
    counts = evidence.declared is not None and (evidence.declared.known or not evidence.declared.rows)
    return _lie(evidence.rows, evidence.windows, counts=counts) is not None


def measured(evidence: Evidence, quality: Quality) -> Measured:
    """Return the measured values from which the score is computed."""
    (rows, bad), (pages, missed) = rows_counted(evidence.rows), pages_counted(evidence.windows)
    task, counted = evidence.subject.task, evidence.subject.submission
    leased, due = task.leased_block or 0, task.due_block or task.expires_block or 0
    reference = reference_tokens(evidence, quality)
    return Measured(
        admissible=evidence.declared is not None and all(check.outcome == "pass" for check in evidence.admission),
        rows_checked=rows, rows_bad=bad, pages_checked=pages, pages_missed=missed,
        unique_tokens=_tokens_that_count(evidence, reference),
        reference_tokens=reference, bpb=quality.bpb, bpb_reference=quality.bpb_reference,
        bpb_raw=quality.bpb_raw, error_bpb=quality.error_bpb,
        blocks_used=max(0, (counted.committed_block or leased) - leased), blocks_allowed=max(1, due - leased),
    )  # fmt: skip


def _tokens_that_count(evidence: Evidence, reference: int) -> int:
    """Return the unique tokens, at most as many as the dataset has of the text of the reference's pages.

    Under an unknown recipe a row may hold a part of its page, and text that the reference drops may make up for it in
    the dataset's own count. The share of the reference's text that is there, in pages of the windows, bounds the tokens
    therefore. A dataset whose rows are short, and which adds nothing else, is reduced once: by its own count.
    """
    unique = evidence.uniqueness.unique_tokens if evidence.uniqueness else 0
    pages = [page for page in kept_pages(evidence.windows) if page.outcome in ("held", "missed")]
    wanted = sum(page.tokens for page in pages)
    if not wanted or all(page.row_tokens is None for page in pages):
        return unique
    there = sum(_tokens_there(page) for page in pages)
    return min(unique, round(reference * there / wanted))


def _tokens_there(page: PageFinding) -> int:
    """Return the tokens that the dataset has of a page, at most as many as the reference keeps of it."""
    if page.outcome != "held":
        return 0
    return page.tokens if page.row_tokens is None else min(page.tokens, page.row_tokens)


def reference_tokens(evidence: Evidence, quality: Quality) -> int:
    """Estimate the tokens that the reference recipe keeps of all the task's WARCs, by the validator's own count.

    The count in the windows that the quality was measured on is scaled to all bytes of the WARCs, whatever the dataset
    claims. A dataset of the reference recipe has the reference's own rows, so its tokens and those of missing pages are
    more exact; but they count only up to that estimate and its error, since a few rows that are not true could claim
    any number.
    """
    claimed = evidence.declared.token_count if evidence.declared else 0
    kept, read, whole = (int(quality.figures.get(name) or 0) for name in ("kept_tokens", "read_bytes", "source_bytes"))
    own = _with_missing(evidence, claimed)
    if not kept or not read:
        return own
    estimate = kept * whole / read
    return min(own, round(ESTIMATE_ERROR * estimate)) if _is_reference(evidence, quality) else round(estimate)


def _is_reference(evidence: Evidence, quality: Quality) -> bool:
    own = quality.figures.get("reference_recipe") or evidence.versions.recipes.get(REFERENCE_RECIPE)
    return evidence.declared is not None and evidence.declared.recipe_hash == own


def _with_missing(evidence: Evidence, claimed: int) -> int:
    """Add to the dataset's tokens those of missing pages, of which the windows show the share."""
    pages = kept_pages(evidence.windows)
    held = sum(page.tokens for page in pages if page.outcome == "held")
    missed = sum(page.tokens for page in pages if page.outcome == "missed")
    if not missed:
        return claimed
    return round(claimed * (held + missed) / held) if held else claimed + missed


def canonical(evidence: Evidence) -> bytes:
    """Return the bytes that are signed: JSON of everything except the signature.

    Keys are sorted, there are no spaces, and UTF-8 text is escaped only where JSON requires it. Integers are written
    without a decimal point, other numbers with the fewest digits that read back as the same IEEE 754 double (Python's
    repr), infinity as the text "Infinity".
    """
    return _canonical(evidence.model_dump_json(exclude={"signature"}))


def evidence_hash(evidence: Evidence) -> str:
    """Return the sha256 (64 hex digits) of the canonical JSON, which the task server receives with the score."""
    return hashlib.sha256(canonical(evidence)).hexdigest()


def sign(evidence: Evidence, hotkey: Hotkey) -> Evidence:
    """Sign the evidence with this hotkey; raises ValueError if another hotkey audited."""
    if evidence.subject.validator != hotkey.address:
        raise ValueError(f"the evidence is {evidence.subject.validator}'s, not {hotkey.address}'s")
    signature = hotkey.sign(bytes.fromhex(evidence_hash(evidence)))
    return evidence.model_copy(update={"signature": signature.hex()})


def is_signed(evidence: Evidence) -> bool:
    """Return whether the validator named in the evidence signed it."""
    from finest.chain.signature import is_signed_by

    if evidence.signature is None or evidence.subject.validator is None:
        return False
    message, signature = bytes.fromhex(evidence_hash(evidence)), bytes.fromhex(evidence.signature)
    return is_signed_by(evidence.subject.validator, message, signature)


def to_json(evidence: Evidence) -> bytes:
    """Return the record as stored: canonical JSON with the signature and a final newline."""
    return _canonical(evidence.model_dump_json()) + b"\n"


def _canonical(text: str) -> bytes:
    return canonical_json(json.loads(text))


def write_evidence(path: Path, evidence: Evidence) -> None:
    """Write the record atomically."""
    write_whole(path, to_json(evidence))


def read_evidence(path: Path) -> Evidence:
    """Read a record; raises UsageError if the file has no record of this format."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_EVIDENCE_BYTES + 1)
        if len(data) > MAX_EVIDENCE_BYTES:
            raise UsageError(f"{path}: larger than {MAX_EVIDENCE_BYTES} bytes, which no evidence is")
        return Evidence.model_validate_json(data)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise UsageError(f"{path}: no evidence of this version ({place}: {first['msg']})"[:500]) from error
