"""Addresses in texts, against DataTrove's PIIFormatter."""

from __future__ import annotations

import pytest
from datatrove.pipeline.formatters import PIIFormatter
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.recipe.pii import redact
from finest.recipe.recipe import PiiRules
from tests.deep import examples

TEXTS = [
    "Write to jane.doe@mail.org, joe@x.co.uk, ann@y.de or bob@z.fr.",
    "From 8.8.8.8, 1.1.1.1 and 9.9.9.9 to 10.0.0.1, 127.0.0.1, 192.168.1.1, 256.1.1.1 and 1.2.3.4.5.",
    "a@[8.8.8.8] b@[8.8.8.x9:] c@[8.8.8]",
    "x..y@mail.org .x@mail.org x.@mail.org -x@mail.org x-@mail.org _x@mail.org é@mail.org éa@mail.org #a@b.org",
    "a#@b.org",
    "a@b a@b. a@b.c a@-b.c a@b-.c a@b.c- a@b.c.d.-e a@@b.c a@b@c.d.e a@b.c@d.e.f",
    "a@b.c.d@e.f.g@h.i", "joe@x.org@y.org", "@", "@x.org", "joe@", "  @ . ", "1.2.3.4@5.6.7.8", "008.08.8.8",
    "x" * 100 + "@" + "y." * 50 + "com",
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS, ids=range(len(TEXTS)))
@pytest.mark.parametrize("rules", [PiiRules(), PiiRules(emails=False), PiiRules(ips=False)])
def test_addresses_are_replaced_as_by_a_fresh_formatter(text: str, rules: PiiRules) -> None:
    """The same addresses fall, and the replacements come in the same order from the start of each page."""
    expected = PIIFormatter(remove_emails=rules.emails, remove_ips=rules.ips).format(text)
    assert redact(text, rules) == expected
    assert redact(text, rules) == expected


@pytest.mark.slow
@settings(max_examples=examples(120, 15_000))
@given(st.lists(st.sampled_from([*"aZ0_.@-#é [:]\n", "..", "a.b", "@a.b", "8.8.8.8", "1.2.", "x@y.z"]), max_size=24))
def test_any_text_is_replaced_as_by_a_fresh_formatter(pieces: list[str]) -> None:
    """However names, hosts and marks are put together, the same spans are replaced."""
    text = "".join(pieces)
    assert redact(text, PiiRules()) == PIIFormatter().format(text)


@pytest.mark.parametrize(
    "text",
    ["a/" * 200_000 + " @x", "a@" * 200_000, "a." * 200_000 + "@", "a@" + "b" * 400_000, "a@" + "b." * 200_000 + "-",
     "a@" + "b-" * 200_000, "1." * 200_000, ".1" * 200_000],
    ids=range(8),
)  # fmt: skip
def test_hostile_text_takes_linear_time(text: str) -> None:
    """Runs that take DataTrove's expression minutes are done at once."""
    redact(text, PiiRules())


def test_replacements_go_round() -> None:
    """Two e-mail and six IP replacements, again and again."""
    assert redact("a@b.c " * 3, PiiRules()) == "email@example.com firstname.lastname@example.org email@example.com "
    assert redact("8.8.8.8 " * 7, PiiRules()).split()[0] == redact("8.8.8.8 " * 7, PiiRules()).split()[6]
