"""Responses of every kind in files of every layout: each is judged as its making says."""

from __future__ import annotations

from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finest.recipe.decode import html_of
from finest.recipe.judge import judge
from finest.recipe.recipe import Recipe
from finest.warc.slices import Record
from tests.recipe.payload.wanted import Case, cases
from tests.warc.layouts import LAYOUTS
from tests.warc.made_warc import read, record

READING_ALONE = Recipe.model_validate(
    {stage: {"enabled": False} for stage in ("url", "gate", "language", "gopher_repetition", "gopher_quality", "c4",
                                             "fineweb", "dedup")}
    | {"name": "reading", "extraction": {"engine": "blocks-1"}}
)  # fmt: skip
"""Whatever can be read is kept."""


def read_back(folder: Path, layout: str, made: list[Case]) -> list[Record]:
    """The records of a file of that layout that holds the responses."""
    parts = [record("warcinfo", "", b"a: b\r\n"), *(case.record(number) for number, case in enumerate(made))]
    path = folder / "made.warc"
    path.write_bytes(LAYOUTS[layout](parts))
    found, reader = read(path)
    assert reader.losses == []
    return found


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(made=st.lists(cases(), min_size=1, max_size=8), layout=st.sampled_from(sorted(LAYOUTS)))
def test_each_response_gets_the_verdict_it_was_made_for(
    tmp_path: Path, cache: Path, made: list[Case], layout: str
) -> None:
    """Layout, codings, type, encoding and status decide as the standards say, and pages read as written."""
    found = read_back(tmp_path, layout, made)
    verdicts = [judge(one.page(), READING_ALONE, cache) for one in found]
    assert [verdict.reason for verdict in verdicts] == [case.reason for case in made]
    for one, case in zip(found, made, strict=True):
        if case.reason == "kept":
            assert html_of(one.page(), READING_ALONE.payload, READING_ALONE.decode) == case.html


@settings(max_examples=100)
@given(case=cases(), cut=st.integers(0, 5000))
def test_what_is_cut_off_is_a_part_of_the_page(case: Case, cut: int) -> None:
    """A body that ends early gives what is there, or nothing: never chunk sizes or packed bytes."""
    from finest.recipe.page import Page

    whole = case.record(0)
    block = whole[whole.index(b"\r\n\r\n") + 4 : -4]
    begins = block.index(b"\r\n\r\n") + 4
    page = Page("<a>", "https://example.com/", "", block[: max(len(block) - cut, begins)], "text/html")
    html = html_of(page, READING_ALONE.payload, READING_ALONE.decode)
    if html and case.reason in ("kept", "payload_type"):
        assert case.html.startswith(html.rstrip("\ufffd"))
