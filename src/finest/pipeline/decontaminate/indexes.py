"""Make index files, and put the index of a recipe into the cache."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole
from finest.dataset.hub import Hub, Revision, git_blob, parse_place
from finest.errors import UsageError, VerifyError
from finest.pipeline.decontaminate.sets import find_set, read_items
from finest.recipe.decontaminate.build import Item, build_index
from finest.recipe.decontaminate.index import MAX_INDEX_BYTES, Index, read_index
from finest.recipe.decontaminate.place import cached_index, local_index
from finest.recipe.stages.decontaminate import SUFFIX, is_on_hub

if TYPE_CHECKING:
    from finest.dataset.hub_retry import Say
    from finest.recipe.recipe import Recipe

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
        data = _fetched(rules.index, rules.index_sha256, token, say)
    else:
        path = local_index(rules, cache)
        read_index(path, rules.index_sha256)
        data = path.read_bytes()
    cached.parent.mkdir(parents=True, exist_ok=True)
    write_whole(cached, data)
    return cached


def _fetched(place: str, sha256: str, token: str | None, say: Say) -> bytes:
    repo, path = place.removeprefix("hf:").split(":")
    name, sha, _ = parse_place(repo)
    revision, hub = Revision(name, str(sha)), Hub(token, say)
    file = hub.files(revision).get(path)
    if file is None or file.size_bytes > MAX_INDEX_BYTES:
        raise VerifyError(f"{revision}: no file {path} of at most {MAX_INDEX_BYTES:,} bytes")
    data = hub.read(revision, path, 0, file.size_bytes)
    found = hashlib.sha256(data).hexdigest()
    if not file.holds(len(data), found, git_blob(data)) or found != sha256:
        raise VerifyError(f"{revision}: {path} has the sha256 {found}, the recipe asks for {sha256}")
    return data
