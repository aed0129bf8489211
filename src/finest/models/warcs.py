"""Refine WARCs named as sources of texts into datasets in the cache, once for each recipe."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import default_workers, refine
from finest.recipe.schema import canonical_json

if TYPE_CHECKING:
    from finest.recipe.recipe import Recipe
    from finest.warc.source import CommonCrawl


def refiner(recipe: Recipe, cache: Path, common_crawl: CommonCrawl) -> Callable[[str], Path]:
    """Return a function that refines one WARC and returns the dataset's folder.

    A refinement that was stopped continues from its finished slices, and a finished one is used again. The function
    raises what `finest.pipeline.run.refine` raises.
    """

    def refined(spec: str) -> Path:
        where = str(Path(spec).resolve()) if Path(spec).exists() else spec
        key = hashlib.sha256(canonical_json([recipe.hash, where])).hexdigest()[:24]
        out = cache / "models" / "texts" / key
        shown = Progress()
        try:
            refine(
                RunOptions(
                    specs=(spec,), out=out, recipe=recipe, cache=cache, common_crawl=common_crawl,
                    workers=default_workers(),
                ),
                shown,
            )  # fmt: skip
        finally:
            shown.close()
        return out

    return refined
