"""Put the quality models of a recipe into the cache, so that pages can be judged without the network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from finest.atomic_files import write_whole
from finest.dataset.model_files import fetch_model
from finest.errors import ModelError
from finest.recipe.quality_model.place import cached_path, local_path
from finest.recipe.quality_model.scoring import QualityModel
from finest.recipe.stages.quality_model import SUFFIX, is_on_hub, is_shipped

if TYPE_CHECKING:
    from finest.dataset.hub_retry import Say
    from finest.recipe.stages.quality_model import ModelRules, QualityModelRules


def provide_models(
    rules: QualityModelRules, cache: Path, *, token: str | None = None, say: Say = lambda _: None,
    most_bytes: int | None = None,
) -> list[Path]:  # fmt: skip
    """Return a local file for each of a recipe's models: shipped, or in the cache, where fetched files are put.

    Workers, cluster jobs and later runs then find it there by its sha256, wherever the recipe named it. Raises
    ModelError if a file is missing, is no model, has another sha256, or if the files have more than `most_bytes`
    together; HubError or VerifyError if the Hub does not give one.
    """
    paths: list[Path] = []
    total = 0
    for model in rules.models:
        paths.append(_provide(model, cache, token, say))
        total += paths[-1].stat().st_size
        if most_bytes is not None and total > most_bytes:
            raise ModelError(f"the recipe's quality models have more than {most_bytes:,} bytes together")
    return paths


def forget_models(cache: Path, most_bytes: int) -> None:
    """Remove models from the cache, the longest unused first, until they have at most `most_bytes` together."""
    forget_files(cache / "models", SUFFIX, most_bytes)


def forget_files(folder: Path, suffix: str, most_bytes: int) -> None:
    """Remove files that are named by their sha256, the longest unused first, until they have at most `most_bytes`."""
    found = [(path.stat(), path) for path in folder.glob(f"{'[0-9a-f]' * 64}{suffix}")]
    total = sum(state.st_size for state, _ in found)
    for state, path in sorted(found, key=lambda one: one[0].st_mtime):
        if total <= most_bytes:
            return
        path.unlink(missing_ok=True)
        total -= state.st_size


def _provide(rules: ModelRules, cache: Path, token: str | None, say: Say) -> Path:
    cached = cached_path(cache, rules.sha256)
    if is_on_hub(rules.model):
        fetch_model(rules.model, rules.sha256, cache, token=token, say=say)
        cached.touch()  # forget_models removes the longest unused
        return cached
    path = local_path(rules, cache)
    if is_shipped(rules.model) or path == cached:
        return path
    QualityModel.load(path, rules.sha256)
    cached.parent.mkdir(parents=True, exist_ok=True)
    write_whole(cached, path.read_bytes())
    return cached
