"""Expressions: what they mean, and what they refuse."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import time

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finest.errors import WhereError
from finest.where import bind, parse
from finest.where.nodes import MAX_DEPTH, MAX_NODES
from finest.where.parse import MAX_CHARS
from tests.deep import examples

BATCH = pa.record_batch({
    "edu": [1, 12, None, 19],
    "url": ["http://a.org/x", "B", "ünï_x%", None],
    "score": [0.0, float("nan"), 2.5, -0.0],
    "ok": [True, None, False, True],
})  # fmt: skip


def rows(text: str, batch: pa.RecordBatch = BATCH) -> list[int]:
    """The numbers of the rows for which the expression is true."""
    return [number for number, is_true in enumerate(bind(parse(text), batch.schema).mask(batch).to_pylist()) if is_true]


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("edu >= 12", [1, 3]),
        ("edu>=12 or score<1", [0, 1, 3]),
        ("not edu >= 12", [0]),
        ("not (edu >= 12 and ok)", [0, 2]),
        ("edu between 2 and 18", [1]),
        ("edu not between 2 and 18", [0, 3]),
        ("edu in (1, -2)", [0]),
        ("edu NOT IN (1, 19)", [1]),
        ("score in (0, 2.5)", [0, 2, 3]),
        ("score <> 0", [2]),
        ("score is null", [1]),
        ("edu > 11.5", [1, 3]),
        ("edu * 2 >= edu + 5", [1, 3]),
        ("-edu < -11", [1, 3]),
        ("edu / 0 is null", [0, 1, 2, 3]),
        ("edu * 1e308 * 10 > 0", []),
        ("9223372036854775807 + edu > 0", [0, 1, 3]),
        ("ok", [0, 3]),
        ("ok = false", [2]),
        ("url is not null", [0, 1, 2]),
        ("url like '%x%'", [0, 2]),
        ("url like 'http%'", [0]),
        ("url like 'h%a_org%'", [0]),
        ("url like '__ï%'", [2]),
        ("url like '%'", [0, 1, 2]),
        ("url not like '%x%'", [1]),
        ("url like 'http://a.org/x'", [0]),
        ("url like 'http://a_org/_'", [0]),
        ("lower(url) = 'b'", [1]),
        ("length(url) = 6", [2]),
        ("url > 'B'", [0, 2]),
        ("url = 'it''s'", []),
        ('"edu" = 1', [0]),
        ("edu =\n\t12", [1]),
        ("1 = 1", [0, 1, 2, 3]),
        ("TRUE AND NOT FALSE", [0, 1, 2, 3]),
    ],
)
def test_an_expression_selects_the_rows_for_which_it_is_true(text: str, selected: list[int]) -> None:
    """NULL and NaN make a comparison NULL, a row with NULL stays out, and arithmetic never fails."""
    assert rows(text) == selected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        ("ed >= 12", "no column 'ed' at character 1 (columns: edu, url, score, ok); did you mean edu?"),
        ("edu", "gives an integer, not true or false"),
        ("SELECT edu", "SELECT at character 1 is not of this language"),
        ("edu = (select 1)", "select at character 8 is not of this language"),
        ("url ILIKE 'a'", "ILIKE at character 5 is not of this language"),
        ("case when ok then 1 end", "case at character 1 is not of this language"),
        ("edu >= 12; drop", "';' at character 10"),
        ("edu -- 1", "'--' at character 5"),
        ("url || 'a' = 'b'", "'||' at character 5"),
        ("url = 'a", "character 7 has no closing quote"),
        ("edu = null", "NULL at character 7 equals nothing"),
        ("edu =", "ends too early"),
        ("edu = 1 = 1", "unexpected = at character 9"),
        ("regexp_matches(url, 'a')", "the function regexp_matches at character 1 is not of this language"),
        ("length(url, url) = 1", "takes one value, not 2"),
        ("url = 3", "the comparison at character 1 is of a text with an integer"),
        ("lower(edu) = 'a'", "LOWER takes a text, and the value at character 7 is an integer"),
        ("url + 1 > 2", "arithmetic takes numbers, and the value at character 1 is a text"),
        ("edu and ok", "AND joins conditions, and the value at character 1 is an integer"),
        ("edu < 99999999999999999999", "larger than an integer of 64 bits"),
        ("edu < 1e999", "larger than a floating-point number"),
        ("edu\x00", "a control character at character 4"),
        ("url = '\ud800'", "half a character at character 8"),
    ],
)
def test_what_is_not_of_the_language_is_refused_by_name_and_position(text: str, said: str) -> None:
    """The one line names what is wrong, and where."""
    with pytest.raises(WhereError) as refused:
        bind(parse(text), BATCH.schema)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    "text",
    [
        "a" * (MAX_CHARS + 1),
        " or ".join(["edu=1"] * MAX_NODES),
        "not " * MAX_DEPTH + "ok",
        "+".join(["edu"] * (MAX_DEPTH + 1)) + "> 1",
        " or ".join(["url like '%a%'"] * 9),
        f"url like '%a{'_' * 100}b'",
        f"url like '{'%a' * 100}'",
        "(" * 4000,
        "-" * 4000 + "edu",
    ],
)
def test_an_expression_that_could_take_long_is_refused(text: str) -> None:
    """Whoever publishes a manifest chooses the expression; whoever checks it must not pay for that."""
    with pytest.raises(WhereError):
        parse(text)


def test_the_worst_pattern_costs_little_more_than_a_simple_one() -> None:
    """The most wildcards that are allowed, on the text that is worst for them: 8 times as much, and not 1,600 times."""
    draw = random.Random(1)
    batch = pa.record_batch({"url": ["".join(draw.choices("ab", k=10_000)) for _ in range(30)]})

    def cpu_s(pattern: str) -> float:
        where = bind(parse(f"url like '{pattern}'"), batch.schema)
        began = time.process_time()
        where.mask(batch)
        return time.process_time() - began

    assert min(cpu_s("%a________c") for _ in range(3)) < 200 * max(cpu_s("%a_b%c") for _ in range(3))


def test_columns_of_any_arrow_encoding_are_read() -> None:
    """Dictionaries, large strings and short integers are as good as others; what has no meaning is refused."""
    batch = pa.record_batch({
        "a": pa.array(["x", None], pa.large_string()), "b": pa.array(["x", "y"]).dictionary_encode(),
        "c": pa.array([200, 404], pa.int16()), "d": pa.array([0, 1], pa.timestamp("s")),
    })  # fmt: skip
    assert rows("a = 'x' and b in ('x') and c < 300", batch) == [0]
    with pytest.raises(WhereError, match="column d at character 1 has the type timestamp"):
        rows("d > 1", batch)


def test_the_text_is_kept_on_one_line() -> None:
    """A manifest and a card show the expression as it was written."""
    assert parse(" edu >=\n 12\t").text == "edu >=  12"
    assert parse("edu > 1 and lower(url) = 'a' or edu < 3").columns() == ("edu", "url")


VALUES = st.one_of(st.none(), st.integers(-3, 3))
COMPARED = st.builds(
    "{} {} {}".format, st.sampled_from("ab"), st.sampled_from(["=", "<>", "<", "<=", ">", ">="]),
    st.one_of(st.integers(-3, 3).map(str), st.sampled_from("ab"), st.just("a + b * 2")),
)  # fmt: skip
TESTS = st.one_of(
    COMPARED,
    st.sampled_from(["a is null", "b is not null", "a in (1, 2, -3)", "b not in (0, 1)", "a between -1 and b"]),
)
CONDITIONS = st.recursive(
    TESTS,
    lambda inner: st.one_of(
        st.builds("({} and {})".format, inner, inner), st.builds("{} or {}".format, inner, inner),
        st.builds("not ({})".format, inner), st.builds("not {}".format, inner),
        st.builds("{} and {}".format, inner, inner),
    ),
    max_leaves=8,
)  # fmt: skip


@settings(max_examples=examples(15, 2_000))
@given(CONDITIONS, st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=12))
def test_a_database_selects_the_same_rows(text: str, values: list[tuple[int | None, int | None]]) -> None:
    """Precedence and three-valued logic are SQL's: SQLite agrees."""
    with sqlite3.connect(":memory:") as database:
        database.execute("create table t (n integer, a integer, b integer)")
        database.executemany("insert into t values (?, ?, ?)", [(n, *pair) for n, pair in enumerate(values)])
        expected = [n for (n,) in database.execute(f"select n from t where {text} order by n")]
    database.close()
    a, b = zip(*values, strict=True)
    assert rows(text, pa.record_batch({"a": pa.array(a, pa.int64()), "b": pa.array(b, pa.int64())})) == expected


@settings(max_examples=examples(15, 2_000))
@given(st.text(alphabet="ab()=<>+-*/'%_,. \n\"1e2ornotandinlikeisnull\x00é", max_size=60))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    """Whatever is written gives an expression or a WhereError."""
    with contextlib.suppress(WhereError):
        parse(text)
