"""Make index files, and put the index of a recipe into the cache."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole
from finest.dataset.decontaminated import Decontaminated, missing_index
from finest.dataset.hub import Hub, Revision, parse_place
from finest.errors import UsageError, VerifyError
from finest.pipeline.decontaminate.sets import find_set, read_items
from finest.pipeline.quality_models import forget_files
from finest.recipe.decontaminate.build import Item, build_index
from finest.recipe.decontaminate.index import MAX_INDEX_BYTES, Index, decoded, read_index
from finest.recipe.decontaminate.place import cached_index, local_index
from finest.recipe.stages.decontaminate import SUFFIX, is_on_hub

if TYPE_CHECKING:
    from finest.dataset.hub_retry import Say
    from finest.dataset.manifest import Manifest
    from finest.recipe.recipe import Recipe
    from finest.recipe.stages.decontaminate import DecontaminateRules

SAY_EVERY_S = 5.0


def make_index(
    specs: Sequence[str], out: Path, *, fields: Sequence[str], n: int, min_words: int, token: str | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> tuple[Index, str]:  # fmt: skip
    """Build the index of these sets (`finest.pipeline.decontaminate.sets`), write it to `out`; return its sha256 too.

    Raises UsageError if two sets have one name, a set cannot be read, or no item can be indexed; HubError or a subclass
    if the Hub refuses.
    """
    if out.suffix != SUFFIX:
        raise UsageError(f"{out}: the name of an index ends in {SUFFIX}")
    sets = [find_set(spec, lambda: Hub(token, say)) for spec in specs]
    names = [one.name for one in sets]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise UsageError(f"two sets are called {twice[0]}; name them: NAME=FILE")
    index = build_index(((one.name, _told(one.name, read_items(one, fields), say)) for one in sets), n, min_words)
    if not len(index.item_sets):
        raise UsageError("no item can be indexed: all have too few words; try a smaller --n or --min-words")
    data = index.encoded()
    write_whole(out, data)
    return index, hashlib.sha256(data).hexdigest()


def _told(name: str, items: Iterable[Item], say: Callable[[str], None]) -> Iterator[Item]:
    """Yield the items and say every few seconds how many there were."""
    said = time.monotonic()
    for count, item in enumerate(items):
        if time.monotonic() - said >= SAY_EVERY_S:
            said = time.monotonic()
            say(f"{name}: {count:,} items so far")
        yield item


def provide_index(recipe: Recipe, cache: Path, *, token: str | None = None, say: Say = lambda _: None) -> Path | None:
    """Return the recipe's index in the cache, where it is put first; None for a recipe without one.

    Workers, cluster jobs and later runs find it there by its sha256, wherever the recipe named it. Raises RecipeError
    if the file is missing, is no index, or has another sha256; HubError or VerifyError if the Hub does not give it.
    """
    rules = recipe.decontaminate
    if not rules.enabled:
        return None
    cached = cached_index(cache, rules.index_sha256)
    if cached.is_file():
        return cached
    if is_on_hub(rules.index):
        return fetch_index(rules, cache, token=token, say=say)
    return keep_index(local_index(rules, cache), rules.index_sha256, cache)


def keep_index(path: Path, sha256: str, cache: Path) -> Path:
    """Copy an index file into the cache, where subsets made with it are checked; return its path there.

    Raises RecipeError if the file is no index or has another sha256.
    """
    cached = cached_index(cache, sha256)
    if cached.is_file():
        return cached
    read_index(path, sha256)
    return _put(path.read_bytes(), cached)


def provide_rule_indexes(manifest: Manifest, place: str, files: Sequence[Path], cache: Path) -> None:
    """Put the index files that the selections of a dataset need into the cache, those that are not there yet.

    `place` is the dataset's, for the message. Raises UsageError if an index is neither in the cache nor in `files`, or
    if no selection needs one of `files`; RecipeError if a file is no index.
    """
    rules = [rule for rule in manifest.rules if isinstance(rule, Decontaminated)]
    given = {read_index(path)[1]: path for path in files}
    wanted = {rule.index_sha256 for rule in rules}
    for sha256, path in given.items():
        if sha256 not in wanted:
            needed = f"needs {', '.join(sorted(wanted))}" if wanted else "needs no index; leave out --index"
            raise UsageError(f"index {path}: its sha256 is {sha256}, and {place} {needed}")
        keep_index(path, sha256, cache)
    for rule in rules:
        if not cached_index(cache, rule.index_sha256).is_file():
            raise UsageError(missing_index(rule, place))


def fetch_index(
    rules: DecontaminateRules, cache: Path, *, most_bytes: int = MAX_INDEX_BYTES, token: str | None = None,
    say: Say = lambda _: None,
) -> Path:  # fmt: skip
    """Return the index of a recipe in the cache, fetched from the Hub if it is not there.

    Nothing larger than `most_bytes` is fetched, and nothing is written before its sha256 and its content are checked.
    Raises VerifyError if the file is larger or has another sha256; RecipeError if it is no index; HubError or a
    subclass if the Hub does not give it.
    """
    cached = cached_index(cache, rules.index_sha256)
    if not cached.is_file():
        data = _fetched(rules.index, rules.index_sha256, token, say, most_bytes)
        decoded(data)
        return _put(data, cached)
    if cached.stat().st_size > most_bytes:
        raise VerifyError(f"{rules.index} has more than {most_bytes:,} bytes")
    cached.touch()  # forget_indexes removes the longest unused
    return cached


def forget_indexes(cache: Path, most_bytes: int) -> None:
    """Remove indexes from the cache, the longest unused first, until they have at most `most_bytes` together."""
    forget_files(cache / "indexes", SUFFIX, most_bytes)


def _put(data: bytes, cached: Path) -> Path:
    cached.parent.mkdir(parents=True, exist_ok=True)
    write_whole(cached, data)
    return cached


def _fetched(place: str, sha256: str, token: str | None, say: Say, most_bytes: int) -> bytes:
    repo, path = place.removeprefix("hf:").split(":")
    name, sha, *_ = parse_place(repo)
    revision, hub = Revision(name, str(sha)), Hub(token, say)
    file = hub.files(revision).get(path)
    if file is None or file.size_bytes > most_bytes:
        raise VerifyError(f"{revision}: no file {path} of at most {most_bytes:,} bytes")
    data = hub.whole(revision, file)
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise VerifyError(f"{revision}: {path} has the sha256 {found}, the recipe asks for {sha256}")
    return data
