"""DataTrove's URLFilter with its integrated block lists, looked up in shared memory in microseconds.

DataTrove keeps 4.6 million domains in a Python set, which takes about 0.9 GB and 3.4 s of CPU in every process. Here
they are built once per machine into sorted arrays of 64-bit hashes (37 MB) that all processes map. An unlisted name
matches by a hash collision with probability 2.5e-13 (4.6e6 / 2^64).
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import ahocorasick
import datatrove
import numpy as np
import numpy.typing as npt
import xxhash
from tldextract import TLDExtract

from finest.errors import RecipeError
from finest.recipe.check import Check

if TYPE_CHECKING:
    from finest.recipe.recipe import UrlRules

_ASSETS = Path(datatrove.__file__).parent / "assets"
_ARCHIVE = _ASSETS / "url_filterblacklistsv0_3_0.tar.gz"
_FORMAT = 1
"""Version of the cached list format; part of the cache folder's name."""
_LISTS = ("domains", "urls")

_SHIPPED = "b37eefe1f3103dfa46b21b3f407b8b23cec2958ea22028700e6cc44d80f55e9e"
_BUILT = "df7e4a49b6d5eb97faca2ae6d372a5a01eb58ca949ca5af0865356c88dae0f40"
"""sha256 of DataTrove 0.10.1's archive (_SHIPPED), and `_digest` of the lists built from it (_BUILT).

The lists decide verdicts and several users may share a cache, so every process checks the cached lists for changes;
this takes 0.03 s of CPU."""

_NOT_OF_WORDS = re.compile(r"[^a-zA-Z0-9]+")
"""What separates the words of a URL. This and `_words` are DataTrove's `normalizer` and `get_list`; importing them
from its filters would import the Hub's client and httpx too, 0.4 s in each process."""

_Hashes: TypeAlias = npt.NDArray[np.uint64]


class UrlLists:
    """The block lists, and the public suffix list that separates domains from subdomains; it never uses the network."""

    def __init__(self, domains: _Hashes, urls: _Hashes) -> None:
        self._domains = domains
        self._urls = urls
        self.banned_words = frozenset(_words("banned_words.txt"))
        self.soft_banned_words = frozenset(_words("soft_banned_words.txt"))
        self._subwords = ahocorasick.Automaton(ahocorasick.STORE_INTS)
        for number, word in enumerate(sorted(_words("banned_subwords.txt"))):
            self._subwords.add_word(word, number)
        self._subwords.make_automaton()
        # Use the public suffix list that the installed tldextract ships, and write no cache folder.
        self._suffixes = TLDExtract(cache_dir=None, suffix_list_urls=())
        self._suffixes("example.com")

    @staticmethod
    def open(cache: Path) -> UrlLists:
        """Open the lists in the folder `cache`, building them there first (7 s) if they are missing.

        Several processes may call this at the same time. Damaged or altered lists are rebuilt. Raises RecipeError if
        DataTrove's archive cannot be read or `cache` cannot be written.
        """
        try:
            archive = _archive_sha256()
            folder = cache / f"url-lists-{_FORMAT}-{archive[:16]}"
            lists = _intact(folder, archive)
            if lists is None:
                shutil.rmtree(folder, ignore_errors=True)
                _build(folder)
                lists = _intact(folder, archive)
            if lists is None:
                raise ValueError("the lists that were built are not those that were written")
        except (OSError, tarfile.TarError, KeyError, ValueError) as error:
            raise RecipeError(
                f"URL block lists in {cache}: {error}; remove that folder, name another one that you may write to "
                "(FINEST_CACHE), or reinstall with: pip install datatrove"
            ) from error
        return UrlLists(*lists)

    def has_domain(self, domain: str) -> bool:
        return _holds(self._domains, domain)

    def has_url(self, url: str) -> bool:
        return _holds(self._urls, url)

    def has_banned_subword(self, url: str) -> bool:
        return next(self._subwords.iter(_NOT_OF_WORDS.sub("", url).lower()), None) is not None

    def domains_of(self, url: str) -> tuple[str, str]:
        """Return the registered domain and the full domain name of `url`; "" for each that it does not have."""
        parts = self._suffixes(url)
        return parts.top_domain_under_public_suffix, parts.fqdn


def check_url(url: str, lists: UrlLists, rules: UrlRules) -> Check | None:
    """Return the first check in DataTrove's order that drops this URL; None if it passes."""
    domain, full_domain = lists.domains_of(url)
    if lists.has_domain(domain):
        return _listed("url_domain")
    if full_domain != domain and lists.has_domain(full_domain):
        return _listed("url_subdomain")
    if lists.has_url(url):
        return _listed("url_url")
    words = set(_NOT_OF_WORDS.split(url))
    if not words.isdisjoint(lists.banned_words):
        return _listed("url_hard_blacklisted")
    soft_words = len(words & lists.soft_banned_words)
    if soft_words >= rules.soft_word_threshold:
        return Check("url_soft_blacklisted", soft_words, rules.soft_word_threshold, True)
    return _listed("url_blacklisted_subword") if lists.has_banned_subword(url) else None


def _words(name: str) -> set[str]:
    """Return the lines of a file of DataTrove's, as letters and digits alone, in lower case, without comments."""
    with (_ASSETS / name).open(encoding="utf-8") as lines:
        return {_NOT_OF_WORDS.sub("", line).lower() for line in lines if not line.startswith("#")}


def _listed(reason: str) -> Check:
    return Check(reason, 1, 0, True)


def _hash(name: str) -> int:
    return xxhash.xxh3_64_intdigest(name.encode("utf-8", "surrogatepass"))


def _holds(hashes: _Hashes, name: str) -> bool:
    wanted = np.uint64(_hash(name))
    place = int(hashes.searchsorted(wanted))
    return place < len(hashes) and bool(hashes[place] == wanted)


def _intact(folder: Path, archive: str) -> tuple[_Hashes, _Hashes] | None:
    """Return the memory-mapped lists in `folder`; None if they are missing, damaged or altered."""
    try:
        domains, urls = (np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r")) for name in _LISTS)
        wanted = _BUILT if archive == _SHIPPED else (folder / "sha256").read_text(encoding="ascii")
    except (OSError, ValueError, EOFError):
        return None
    plain = all(names.dtype == np.uint64 and names.ndim == 1 for names in (domains, urls))
    return (domains, urls) if plain and _digest(domains, urls) == wanted else None


def _digest(*lists: _Hashes) -> str:
    """Return the sha256 of the lists' lengths and hashes in memory order (little-endian)."""
    sha = hashlib.sha256()
    for names in lists:
        sha.update(len(names).to_bytes(8, "little"))
        sha.update(np.ascontiguousarray(names).data)
    return sha.hexdigest()


def _archive_sha256() -> str:
    return hashlib.sha256(_ARCHIVE.read_bytes()).hexdigest()


def _build(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f"{folder.name}-", dir=folder.parent))
    try:
        with tarfile.open(_ARCHIVE) as archive:
            built = [np.unique(np.fromiter(_names(archive, name), np.uint64)) for name in _LISTS]
        for name, names in zip(_LISTS, built, strict=True):
            _save(scratch / f"{name}.npy", names)
        (scratch / "sha256").write_text(_digest(*built), encoding="ascii")
        try:
            scratch.rename(folder)
        except OSError:
            if not folder.is_dir():  # otherwise another process has already built the same lists
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _names(archive: tarfile.TarFile, name: str) -> Iterator[int]:
    """Yield the hashes of the lines that DataTrove's `parse_list` reads: stripped, without comments."""
    member = archive.extractfile(name)
    if member is None:
        raise KeyError(name)
    for line in io.TextIOWrapper(member, encoding="utf-8"):
        if not line.startswith("#"):
            yield _hash(line.strip())


def _save(path: Path, hashes: _Hashes) -> None:
    with path.open("wb") as file:
        np.save(file, hashes)
        file.flush()
        os.fsync(file.fileno())
