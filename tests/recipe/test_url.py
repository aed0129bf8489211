"""URL block lists, against DataTrove's URLFilter."""

from __future__ import annotations

import gzip
import io
import json
import multiprocessing
import tarfile
from pathlib import Path

import numpy as np
import pytest
from datatrove.data import Document
from datatrove.pipeline.filters import URLFilter

from finest.errors import RecipeError
from finest.recipe import url
from finest.recipe.recipe import UrlRules
from finest.recipe.url import UrlLists, check_url
from tests.deep import NIGHTLY

DOMAINS = ["bad.com", "worse.co.uk", "sub.fine.org", "# not a domain", "bad.blogspot.com", "1.2.3.4"]
URLS = ["http://fine.org/bad", "fine.org/worse", "#no"]
CASES = {
    "http://bad.com/": "url_domain",
    "https://www.bad.com:8080/a?b#c": "url_domain",
    "http://a.b.worse.co.uk": "url_domain",
    "http://user:secret@bad.com/": "url_domain",
    "HTTP://BAD.COM/": None,
    "http://sub.fine.org/page": "url_subdomain",
    "http://bad.blogspot.com/": "url_subdomain",
    "http://other.sub.fine.org/page": None,
    "http://fine.org/bad": "url_url",
    "http://fine.org/bad/": None,
    "http://fine.org/bbw": "url_hard_blacklisted",
    "http://fine.org/BBW": None,
    "http://fine.org/ass-babes": "url_soft_blacklisted",
    "http://fine.org/ass": None,
    "http://fine.org/a-ball-gag-b": "url_blacklisted_subword",
    "http://1.2.3.4/": None,
    "http://[::1]/": None,
    "http://[bad": None,
    "http://localhost/": None,
    "http://例え.jp/é": None,
    "http://bad。com/": "url_domain",
    "http://x\udcff.com/\udcfe": None,
    "http://exa mple.com/ %F0%9F": None,
    "http://a..b.com": None,
    "http://co.uk/": None,
    "bad.com": "url_domain",
    "//bad.com": "url_domain",
    "x": None,
}


def made_archive(path: Path) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for name, lines in (("urls", URLS), ("domains", DOMAINS)):
            data = "".join(f"{line}\n" for line in lines).encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache folder for lists of a few lines."""
    monkeypatch.setattr(url, "_ARCHIVE", made_archive(tmp_path / "lists.tar.gz"))
    return tmp_path / "cache"


def datatrove_reason(filter_: URLFilter, address: str) -> str | None:
    result = filter_.filter(Document(text="", id="", metadata={"url": address}))
    return None if result is True else f"url_{result[1]}"


def datatrove_with(domains: list[str], urls: list[str]) -> URLFilter:
    words = {
        name: (url._ASSETS / f"{name}.txt").read_text().splitlines()
        for name in ("banned_words", "banned_subwords", "soft_banned_words")
    }
    return URLFilter(extra_domains=domains, extra_urls=urls, use_integrated_lists=False, **words)


def test_every_list_drops_what_it_names(small: Path) -> None:
    """Each list drops its URLs and no other, in DataTrove's order and with DataTrove's reasons."""
    lists, filter_ = UrlLists.open(small), datatrove_with(DOMAINS, URLS)
    for address, reason in CASES.items():
        check = check_url(address, lists, UrlRules())
        assert (check.reason if check else None) == reason, address
        assert datatrove_reason(filter_, address) == reason, address


def test_the_soft_threshold_is_the_recipes(small: Path) -> None:
    """The number of soft words that drops a URL comes from the recipe, and stands beside the count."""
    lists = UrlLists.open(small)
    check = check_url("http://fine.org/ass-babes-boobs", lists, UrlRules(soft_word_threshold=3))
    assert check is not None
    assert (check.value, check.limit) == (3, 3)
    assert check_url("http://fine.org/ass-babes", lists, UrlRules(soft_word_threshold=3)) is None


def test_a_page_without_url_passes(small: Path) -> None:
    """DataTrove refuses to look at it; there is nothing to hold against it."""
    assert check_url("", UrlLists.open(small), UrlRules()) is None


def _open(cache: Path) -> bool:
    return UrlLists.open(cache).has_domain("bad.com")


def test_many_processes_may_build_at_once(small: Path) -> None:
    """Whoever is first builds the lists; nobody reads half of them, and nothing else is left in the folder."""
    with multiprocessing.get_context("fork").Pool(4) as pool:
        assert pool.map(_open, [small] * 8, chunksize=1) == [True] * 8
    assert len(list(small.iterdir())) == 1


def test_built_lists_are_used_again(small: Path) -> None:
    """The second run of a machine builds nothing."""
    UrlLists.open(small)
    (folder,) = small.iterdir()
    before = (folder / "domains.npy").stat().st_mtime_ns
    assert UrlLists.open(small).has_domain("bad.com")
    assert (folder / "domains.npy").stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", ["garbage", "empty", "cut", "shorter", "swapped", "gone"])
def test_lists_that_were_altered_are_built_anew(small: Path, damage: str) -> None:
    """What lies in the cache decides a page's fate: it is the lists that were built, or it is not read."""
    UrlLists.open(small)
    (folder,) = small.iterdir()
    path = folder / "domains.npy"
    whole = path.read_bytes()
    names = np.load(path)
    if damage == "shorter":
        np.save(path, names[names != url._hash("bad.com")])
    elif damage == "swapped":
        np.save(path, names.astype(">u8"))
    elif damage == "gone":
        path.unlink()
    else:
        path.write_bytes({"garbage": b"nothing", "empty": b"", "cut": whole[:-8]}[damage])
    assert UrlLists.open(small).has_domain("bad.com")
    assert path.read_bytes() == whole
    assert len(list(small.iterdir())) == 1


def test_a_cache_that_cannot_be_written_is_named(small: Path) -> None:
    """Where lists can be neither read nor built it is a clear error with the way out."""
    small.write_text("a file")
    with pytest.raises(RecipeError, match="remove that folder"):
        UrlLists.open(small)


@pytest.mark.corpus
@pytest.mark.nightly
def test_real_urls_are_decided_as_by_datatrove(corpus: Path, cache: Path) -> None:
    """With the full lists every URL of the corpus, and URLs on the lists, get DataTrove's decision."""
    lists, filter_ = UrlLists.open(cache), URLFilter()
    filter_.download_data()
    listed = sorted(filter_.block_listed_domains)[:: 2000 if NIGHTLY else 20_000]
    with gzip.open(corpus / "pages.jsonl.gz", "rt") as pages:
        addresses = [json.loads(page)["url"] for page in pages]
    addresses += sorted(filter_.block_listed_url)[:: 100 if NIGHTLY else 1000]
    addresses += [f"http://{domain}/" for domain in listed] + [f"https://www.x.{domain}" for domain in listed]
    for address in addresses:
        check = check_url(address, lists, UrlRules())
        assert (check.reason if check else None) == datatrove_reason(filter_, address), address
