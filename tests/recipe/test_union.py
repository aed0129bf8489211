"""Recipe `finest-union`: two extractors on each page, and the page is kept if either text passes the filters."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from finest.errors import ModelError, RecipeError
from finest.recipe.judge import explain, judge
from finest.recipe.page import Page
from finest.recipe.recipe import Recipe, load_recipe, parse_recipe
from finest.recipe.stages import extraction
from finest.recipe.toolbox import toolbox
from finest.sample.build import SAMPLE
from finest.settings import default_cache
from finest.warc.slices import Slice, read_slice
from finest.warc.source import inspect

UNION = load_recipe("finest-union")
CACHE = default_cache()


def changed(**extraction: Any) -> Recipe:
    """The recipe with other settings of extraction."""
    data = UNION.resolved()
    return parse_recipe({**data, "extraction": {**data["extraction"], **extraction}})


def alone(engine: str) -> Recipe:
    return changed(engine=engine, second=None, choose_by="", choose_by_sha256="")


@cache
def pages() -> list[Page]:
    source = inspect(str(SAMPLE))
    found = read_slice(source, Slice(0, 0, 0, source.size_bytes), max_record_bytes=1 << 26, page_types=("response",))
    return [record.page() for record in found]


def test_a_page_is_kept_if_either_text_passes() -> None:
    """With the text of higher score if both do; a page that both drop has the reason of the text of higher score."""
    ours = {name: [judge(page, alone(name), CACHE) for page in pages()] for name in ("trafilatura", "blocks-2")}
    engines = set()
    for page, first, second in zip(pages(), ours["trafilatura"], ours["blocks-2"], strict=True):
        found = judge(page, UNION, CACHE)
        if "language" in (first.reason, second.reason):
            continue
        assert found.kept == (first.kept or second.kept), page.url
        if not found.kept:
            reasons = {first.reason, second.reason} - {"extraction_empty"} or {"extraction_empty"}
            assert found.reason in reasons
            continue
        engine = dict(found.columns)["engine"]
        engines.add(engine)
        assert found.text == (first if engine == "trafilatura" else second).text
        if first.kept != second.kept:
            assert engine == ("trafilatura" if first.kept else "blocks-2")
    assert engines == {"trafilatura", "blocks-2"}


@cache
def article() -> tuple[Page, str]:
    """A page that both extractors' texts keep, and its text by `blocks-2`."""
    verdicts = (
        (page, judge(page, alone("trafilatura"), CACHE), judge(page, alone("blocks-2"), CACHE)) for page in pages()
    )
    return next((page, second.seen) for page, first, second in verdicts if first.kept and second.kept)


def extract(monkeypatch: pytest.MonkeyPatch, texts: dict[str, str]) -> None:
    """Let each extractor find that text, whatever the page."""
    monkeypatch.setattr(extraction, "_texts", lambda _, engine, __: (texts[engine], ""))


def test_the_text_of_higher_score_is_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """If both pass the filters; the first extractor's wins a tie."""
    page, whole = article()
    half = whole[: whole.rindex("\n")]
    score = toolbox(UNION, CACHE).chooser.score
    better = max(whole, half, key=lambda text: score(text).raw)
    for first, second in ((whole, half), (half, whole), (whole, whole)):
        extract(monkeypatch, {"trafilatura": first, "blocks-2": second})
        found = judge(page, UNION, CACHE)
        assert found.seen == (first if first == second else better)
        assert dict(found.columns)["engine"] == ("trafilatura" if found.seen == first else "blocks-2")


def test_the_other_text_is_judged_if_a_filter_drops_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """`explain` shows the checks of the text that was kept."""
    page, good = article()
    bad = good + "\nlorem ipsum dolor sit amet for all of them that year"
    for worse, better in (("trafilatura", "blocks-2"), ("blocks-2", "trafilatura")):
        extract(monkeypatch, {worse: bad, better: good})
        found, trail = explain(page, UNION, CACHE)
        assert found.kept and dict(found.columns)["engine"] == better and "ipsum" not in (found.text or "")
        assert trail.failed is None and next(iter(trail.stages)) == "http" and "c4" in trail.stages
    extract(monkeypatch, {"trafilatura": bad, "blocks-2": bad + " again"})
    found, trail = explain(page, UNION, CACHE)
    assert found.reason == "c4_lorem_ipsum" and trail.failed is not None


def test_the_second_text_meets_the_cheap_filters_first() -> None:
    """It meets all of them, language after Gopher's; a table of languages has rules by language and keeps the order."""
    tools = toolbox(UNION, CACHE)
    first = [stage.name for stage in tools.stages]
    second = [stage.name for stage in tools.second_stages]
    assert sorted(second) == sorted(first[first.index("extraction") + 1 :])
    assert second[:5] == ["repetition", "quality", "repetition", "language", "c4"]
    other = toolbox(load_recipe("fineweb-2"), CACHE)
    assert next(stage.name for stage in other.second_stages) == "language"


def test_a_page_that_one_extractor_finds_empty_has_the_others_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """No score is needed then."""
    page, good = article()
    extract(monkeypatch, {"trafilatura": "", "blocks-2": good})
    assert dict(judge(page, UNION, CACHE).columns) == {"engine": "blocks-2"}
    extract(monkeypatch, {"trafilatura": "", "blocks-2": ""})
    assert judge(page, UNION, CACHE).reason == "extraction_empty"


@pytest.mark.parametrize(
    "wrong",
    [{"second": None}, {"choose_by": ""}, {"second": "trafilatura"}, {"choose_by_sha256": ""}, {"both": True}],
    ids=str,
)
def test_settings_that_do_not_fit(wrong: dict[str, Any]) -> None:
    """A recipe that says half of it is refused."""
    with pytest.raises((RecipeError, ValueError), match="second"):
        changed(**wrong)


def test_another_model_than_the_recipes_is_refused() -> None:
    """The recipe pins the model that chooses by its sha256."""
    with pytest.raises(ModelError):
        _ = toolbox(changed(choose_by_sha256="0" * 64), CACHE).chooser
