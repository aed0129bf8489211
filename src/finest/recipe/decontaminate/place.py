"""Find the index of a recipe on this machine, without the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from finest.errors import RecipeError
from finest.recipe.decontaminate.index import read_index
from finest.recipe.decontaminate.match import Matcher
from finest.recipe.stages.decontaminate import SUFFIX, is_on_hub

if TYPE_CHECKING:
    from finest.recipe.stages.decontaminate import DecontaminateRules


def cached_index(cache: Path, sha256: str) -> Path:
    """Return where the cache folder keeps the index with that sha256."""
    return cache / "indexes" / f"{sha256}{SUFFIX}"


def local_index(rules: DecontaminateRules, cache: Path) -> Path:
    """Return the local file of the index; raise RecipeError, with the next command, if there is none."""
    cached = cached_index(cache, rules.index_sha256)
    if cached.is_file():
        return cached
    if is_on_hub(rules.index):
        raise RecipeError(
            f"[decontaminate] the index {rules.index} is not on this machine; fetch it with: "
            "finest recipe fetch RECIPE.toml"
        )
    path = Path(rules.index).expanduser()
    if path.is_file():
        return path
    raise RecipeError(
        f"[decontaminate] there is no index {path}; if you have it elsewhere: cp {path.name} {cached}, or build it "
        "again with: finest decontaminate build"
    )


def load_matcher(rules: DecontaminateRules, cache: Path) -> Matcher:
    """Return the recipe's index, ready to match texts; raise RecipeError if it is missing, invalid or another one."""
    index, _ = read_index(local_index(rules, cache), rules.index_sha256)
    return Matcher(index, rules.min_matches, rules.min_percent)
