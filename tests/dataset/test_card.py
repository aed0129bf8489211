"""The dataset card: what the Hub reads, and what a person reads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from finest.dataset.card import card, write_card
from finest.dataset.manifest import Manifest, recipe_hash
from finest.dataset.rows import SCHEMA

from .made import DUMP, WARC, make_dataset


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """The manifest of a small dataset."""
    return make_dataset(tmp_path).manifest


def header(text: str) -> dict[str, Any]:
    """The YAML header of a card."""
    start, yaml_text, _ = text.split("---\n", 2)
    assert start == ""
    data: dict[str, Any] = yaml.safe_load(yaml_text)
    return data


def test_header_is_the_hubs(manifest: Manifest) -> None:
    """The header holds what the Hub needs: configs, licence, language, size, task."""
    assert header(card(manifest)) == {
        "language": ["en"],
        "license": "odc-by",
        "pretty_name": f"Finest Data: {DUMP}",
        "size_categories": "n<1K",
        "task_categories": ["text-generation"],
        "tags": ["common-crawl", "web", "finest-data", "fineweb"],
        "configs": [
            {
                "config_name": "default",
                "default": True,
                "data_files": [{"split": "train", "path": "data/*/*.parquet"}],
            },
            {"config_name": DUMP, "data_files": [{"split": "train", "path": f"data/{DUMP}/*.parquet"}]},
        ],
    }


def test_body_says_what_it_is(manifest: Manifest) -> None:
    """The text states counts, hashes, reasons, losses, sources, columns, how to verify and the licence."""
    text = card(manifest)
    for part in (
        "40 pages with", "44 pages were judged", manifest.root, manifest.recipe_hash, manifest.sources[0].sha256, WARC,
        "| dedup | Is it nearly the same as another page? | 1 | 40 | 90.91 % |", "`quality_short_doc` | Too few words.",
        "| `truncated` | 1 |", "finest verify", "load_dataset", "ODC-By", "commoncrawl.org/terms-of-use",
        "E-mail addresses and public ip addresses",
    ):  # fmt: skip
        assert part.lower() in text.lower(), part
    assert all(f"| `{name}` |" in text for name in SCHEMA.names)
    assert "WARNING" not in text


def test_experimental_recipe_is_marked(manifest: Manifest) -> None:
    """A dataset of the recipe `finest` carries a warning."""
    recipe = manifest.recipe | {"name": "finest"}
    assert "is experimental" in card(manifest.model_copy(update={"recipe": recipe, "recipe_hash": recipe_hash(recipe)}))


def test_hostile_names_stay_in_their_cell(manifest: Manifest) -> None:
    """A source's or recipe's name cannot break the table or the header."""
    source = manifest.sources[0].model_copy(update={"name": "a`|\n---\n# <script>.warc"})
    text = card(manifest.model_copy(update={"sources": (source,), "recipe": {"name": "x\n---\nlicense: mit"}}))

    assert header(text)["license"] == "unknown"
    assert "| `a___---_#_<script>.warc` |" in text


def test_card_is_written(tmp_path: Path) -> None:
    """The card is README.md, also for a dataset without rows."""
    made = make_dataset(tmp_path, kept=0)
    write_card(tmp_path, made.manifest)
    assert (tmp_path / "README.md").read_text().startswith("---\n")


def test_another_crawl_is_not_called_common_crawls(manifest: Manifest) -> None:
    """Neither source, licence, terms of use nor tags of Common Crawl stand on the card of somebody else's crawl."""
    own = manifest.sources[0].model_copy(update={"name": "https://example.org/crawl/a.warc.gz"})
    text = card(manifest.model_copy(update={"sources": (own,), "dumps": ("local",)}))
    assert "common" not in text.lower().replace("open data commons", "") and "odc" not in text.lower()
    assert header(text)["license"] == "unknown" and header(text)["tags"][0] == "web"
    mixed = card(manifest.model_copy(update={"sources": (own, manifest.sources[0])}))
    assert "2 WARC files (1 of them Common Crawl's)" in mixed and "ODC-By" not in mixed
    assert "commoncrawl.org/terms-of-use" in mixed
