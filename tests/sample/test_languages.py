"""The sample in ten languages: what ships is what the builder builds, and a run keeps pages in each of them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from finest.errors import SourceError
from finest.pipeline.languages import WITHOUT, recipe_in_languages
from finest.recipe.judge import judge
from finest.recipe.table import find_languages
from finest.sample import SAMPLES, build, sample_path
from finest.sample import build_languages as sample
from finest.sample.boilerplate import ENGLISH, boilerplate_of
from finest.sample.prose import LANGUAGES
from finest.settings import default_cache
from finest.warc.resolve import resolve
from finest.warc.slices import Slice, read_slice
from finest.warc.source import inspect
from tests.deep import sampled

from .test_sample import _members


def test_the_shipped_file_is_what_the_builder_builds() -> None:
    """Whoever changes the pages builds the file again: python -m finest.sample.build_languages."""
    assert _members(sample.LANGUAGE_SAMPLE.read_bytes()) == _members(sample.build())
    assert sample.LANGUAGE_SAMPLE.stat().st_size < 300_000


def test_the_samples_have_names() -> None:
    """They stand for the files wherever a source is named; another name is refused with those that there are."""
    assert list(map(sample_path, SAMPLES)) == [build.SAMPLE, sample.LANGUAGE_SAMPLE]
    assert resolve(["sample:languages", "sample:english"]) == [str(sample.LANGUAGE_SAMPLE), str(build.SAMPLE)]
    with pytest.raises(SourceError, match="sample:german: no such sample; there are sample:english and sample:lang"):
        resolve(["sample:german"])


def test_a_file_of_that_name_is_found_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the two names themselves stand for what ships."""
    (tmp_path / "sample:mine").touch()
    monkeypatch.chdir(tmp_path)
    assert resolve(["sample:mine"]) == [str(tmp_path / "sample:mine")]


@pytest.mark.parametrize("codes", sampled(["de,ru,ja", "fr,es,it,pt", "nl,pl,zh"]))
def test_every_language_keeps_its_articles(codes: str) -> None:
    """The filters keep the six articles of a language and the copy of one, and drop one page."""
    pytest.importorskip("jieba")
    pytest.importorskip("sudachipy")
    recipe = recipe_in_languages(codes, WITHOUT, default_cache())
    source = inspect(str(sample.LANGUAGE_SAMPLE), "sample")
    slice_ = Slice(0, 0, 0, source.size_bytes)
    pages = (record.page() for record in read_slice(source, slice_, max_record_bytes=1 << 26))
    found: Counter[tuple[str | None, bool]] = Counter()
    for page in pages:
        verdict = judge(page, recipe, default_cache())
        found[verdict.language, verdict.kept] += 1
    wanted = find_languages(codes.split(","))
    assert {code: (found[code, True], found[code, False]) for code in wanted} == dict.fromkeys(wanted, (7, 1))


def test_a_page_is_in_one_language_alone() -> None:
    """What surrounds an article is in its language, too."""
    for code in LANGUAGES:
        article, words = sample.articles_in(code)[0], boilerplate_of(sample.articles_in(code)[0])
        html = sample.response_of(article).body.decode()
        assert words.rights in html and ENGLISH.rights not in html
        assert all(len(one.blocks) >= 3 and one.language == code for one in sample.articles_in(code))


def test_every_number_draws_other_sentences() -> None:
    """So that many distinct pages can be made of the same prose."""
    for code in LANGUAGES:
        pages = {tuple(sample.drawn(code, number, 12)) for number in range(100)}
        assert len(pages) == 100
        assert len(sample.sentences_in(code)) >= 50
