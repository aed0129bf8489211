"""Rows that are not what their pages give are found, whoever made them up and however."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from finest.dataset.rows import Row
from finest.recipe.page import Page
from finest.validator.audit import audit
from finest.validator.evidence import rows_counted
from finest.validator.extractive import MIN_SHARE, extractive_share, visible_text
from finest.validator.models import Plan
from finest.validator.score import is_forged
from finest.validator.sprt import SEQUENTIAL
from tests.deep import sampled

from .forged import leaked_under_own_recipe, own_recipe, praised, with_raw_text
from .made import PLAN, Published, forge, invented, tampered

PROSE = " ".join(f"Word{n} stands here, and number {n} follows it." for n in range(60))


def page(html: str) -> Page:
    response = b"HTTP/1.1 200 OK\r\n\r\n" + html.encode()
    return Page("<urn:x>", "https://example.org/", "2025-01-01T00:00:00Z", response, "text/html")


def test_the_sequential_test_is_the_designs() -> None:
    """100 clean rows accept, four bad ones in a row reject; between them it goes on."""
    assert SEQUENTIAL.decide(0, 99) is None
    assert SEQUENTIAL.decide(0, 100) == "honest"
    assert SEQUENTIAL.decide(3, 3) is None
    assert SEQUENTIAL.decide(4, 4) == "forged"
    assert SEQUENTIAL.decide(1, 128) is None


def test_what_it_rejects_chance_does_not_explain() -> None:
    """The score's own bound on honest miners holds wherever the sequential test may stop."""
    for checked in range(1, 513):
        least = next(bad for bad in range(checked + 2) if bad > checked or SEQUENTIAL.decide(bad, checked) == "forged")
        assert least > checked or is_forged(least, checked)


def test_thirty_percent_of_invented_rows_are_caught(honest: Published, tmp_path: Path) -> None:
    """Always, within a few rows, and the evidence names one of them."""
    forged = forge(honest, tmp_path / "f", 0.3, invented)
    for seed in range(2):
        evidence = audit(forged.subject(seed), PLAN, forged.context())
        checked, bad = rows_counted(evidence.rows)
        assert (evidence.verdict, evidence.windows) == ("fail", ())
        assert bad >= 4 and checked < forged.manifest.rows
        worst = next(row for row in evidence.rows if row.outcome == "forged")
        assert worst.found != worst.expected and worst.id in evidence.why


@pytest.mark.nightly
def test_thirty_percent_of_made_up_scores_are_caught(honest: Published, tmp_path: Path) -> None:
    """A row with another score is forged, though its text is its page's; tests/validator/test_scored.py has more."""
    forged = praised(0.3)(honest, tmp_path / "f")
    evidence = audit(forged.subject(), PLAN, forged.context())
    assert evidence.verdict == "fail"
    assert evidence.declared
    assert evidence.declared.known


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.01, 0.05])
@pytest.mark.nightly
def test_few_invented_rows_cost_honesty(honest: Published, tmp_path: Path, share: float) -> None:
    """Of a small dataset every row is judged again, so each forged one is found and counted."""
    forged = forge(honest, tmp_path / "f", share, invented)
    evidence = audit(forged.subject(), PLAN, forged.context())
    assert rows_counted(evidence.rows) == (honest.manifest.rows, max(1, round(share * honest.manifest.rows)))


LIES: dict[str, Callable[[Row], Row]] = {
    "space": lambda row: replace(row, text=row.text + " "),
    "offset": lambda row: replace(row, warc_offset=row.warc_offset + 1),
    "source": lambda row: replace(row, file_path=row.file_path.replace(".warc", ".other.warc")),
    "language": lambda row: replace(row, language_score=0.99),
    "id": lambda row: replace(row, id=row.id[:-3] + "00>"),
    "far": lambda row: replace(row, warc_offset=2**62),
    "negative": lambda row: replace(row, warc_offset=-1),
    "length": lambda row: replace(row, warc_length=row.warc_length + 1),
    "url": lambda row: replace(row, url=row.url + "?"),
    "tokens": lambda row: replace(row, token_count=row.token_count + 1),
}


@pytest.mark.slow
@pytest.mark.parametrize("lie", sampled(LIES, 4))
def test_a_row_that_lies_in_one_column_is_forged(honest: Published, tmp_path: Path, lie: str) -> None:
    """Nothing of it need be false but that; what does not exist is a lie, not a source that cannot be read."""
    forged = forge(honest, tmp_path / "f", 1.0, lambda row: _changed(row, LIES[lie](row)))
    evidence = audit(forged.subject(), PLAN, forged.context())
    assert evidence.verdict == "fail"
    if lie == "source":  # a source that the manifest does not list is found before any row is judged
        assert (evidence.admission[-1].name, evidence.admission[-1].outcome) == ("root", "fail")
    else:
        assert [row.outcome for row in evidence.rows] == ["forged"] * 4


def _changed(row: Row, other: Row) -> Row:
    return replace(other, id=f"{row.id[:-9]}{row.id[-5:-1]}{row.id[-9:-5]}>") if other.id != row.id else other


@pytest.mark.slow
def test_raw_text_declared_as_fineweb_is_caught(honest: Published, tmp_path: Path) -> None:
    """What a page shows is not what the recipe makes of it."""
    raw = tampered(honest, tmp_path / "raw", with_raw_text(honest))
    evidence = audit(raw.subject(), PLAN, raw.context())
    assert evidence.verdict == "fail" and "4 of 4 rows are forged" in evidence.why


@pytest.mark.slow
@pytest.mark.nightly
def test_another_recipe_may_take_other_parts_of_a_page(honest: Published, tmp_path: Path) -> None:
    """Under a recipe that nobody knows, what stands on the page in that order is no forgery."""
    raw = tampered(honest, tmp_path / "raw", with_raw_text(honest), recipe=own_recipe(honest))
    evidence = audit(raw.subject(), PLAN, raw.context())
    assert evidence.declared and not evidence.declared.known
    assert evidence.verdict == "pass", evidence.why


@pytest.mark.slow
def test_invented_rows_under_another_recipe_are_caught(honest: Published, tmp_path: Path) -> None:
    """A text of one's own is on no page."""
    made_up = tampered(honest, tmp_path / "f", [invented(row) for row in honest.rows()], recipe=own_recipe(honest))
    evidence = audit(made_up.subject(), PLAN, made_up.context())
    assert evidence.verdict == "fail"
    assert "of its words are taken from the page" in evidence.why


@pytest.mark.slow
@pytest.mark.nightly
def test_a_little_from_elsewhere_in_every_row_is_caught(honest: Published, tmp_path: Path) -> None:
    """What one row may have by an extractor's whim, all of them have by design."""
    made_up = leaked_under_own_recipe(honest, tmp_path / "f")
    evidence = audit(made_up.subject(), PLAN, made_up.context())
    assert rows_counted(evidence.rows)[1] == 0
    assert evidence.verdict == "fail" and "are taken from their pages" in evidence.why


def test_extractive_is_in_order_and_from_the_page() -> None:
    """Parts of the page in its order are; the same words in another order, or other words, are not."""
    visible = visible_text(page(f"<html><body><h1>News</h1><p>{PROSE}</p><script>var x = 1</script></body></html>"))
    words = PROSE.split()
    assert extractive_share(PROSE, visible) == 1
    assert extractive_share("• " + PROSE.replace(", ", ",\n\n"), visible) == 1
    assert extractive_share(" ".join(words[20:60] + words[200:300]), visible) > MIN_SHARE
    assert extractive_share(" ".join(words[200:300] + words[20:60]), visible) < MIN_SHARE
    assert extractive_share(" ".join(sorted(words)), visible) < 0.1
    assert extractive_share("var x = 1", visible) == 0
    assert extractive_share("", visible) == 1


def test_replaced_addresses_are_no_inventions() -> None:
    """What stands for e-mail and IP addresses is passed over on both sides."""
    told = "Write to {0} or log in at {1}, and then all of us will know what to do about it."
    visible = told.format("jane.doe@somewhere.com", "8.8.4.4")
    assert extractive_share(told.format("email@example.com", "22.214.171.124"), visible) == 1


def test_a_source_that_cannot_be_read_is_no_evidence(honest: Published) -> None:
    """A WARC that is gone here says nothing of the miner."""
    context = honest.context()
    subject = honest.subject()
    context.warcs._locations = {name: f"{path}.gone" for name, path in context.warcs._locations.items()}
    few = audit(subject, Plan(rows=2, windows=1), context)
    assert (few.verdict, [row.outcome for row in few.rows]) == ("no_evidence", ["no_evidence"] * 2)
    many = audit(subject, PLAN, context)
    assert (many.verdict, many.rows, many.admission[-1].name) == ("no_evidence", (), "audit")
