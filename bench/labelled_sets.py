"""Build labelled sets of web pages from clones of the public repositories that hold them, for bench.quality_models.

git clone https://github.com/Murrough-Foley/web-content-extraction-benchmark
git clone https://github.com/TurkuNLP/Multilingual-register-corpora
python -m bench.labelled_sets FOLDER_WITH_THE_CLONES sets
python -m bench.quality_models sets/*.jsonl

en-type       pages of WCXB by type (CC-BY-4.0); 1 = article or documentation; folds by host
sv-register   SweCORE (CC BY); 1 = not persuasion
fr-register   FreCORE (CC BY), without train.tsv where the clone lacks it; 1 = not persuasion
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

MIN_CHARS = 200
"""Shorter texts are left out, as in the figures that the sets are compared with."""
PERSUASION = "IP"
"""CORE's label of informational persuasion."""

Document = dict[str, Any]


def page_types(clones: Path) -> Iterator[Document]:
    """Yield the main texts of WCXB's pages."""
    for path in sorted((clones / "web-content-extraction-benchmark").glob("*/ground-truth/*.json")):
        page = json.loads(path.read_text(encoding="utf-8"))
        kind = page["_internal"]["page_type"]["primary"]
        host = urlsplit(page.get("url") or "").netloc or path.name
        yield _document(kind in ("article", "documentation"), host, page["ground_truth"].get("main_content") or "")


def registers(clones: Path, corpus: str) -> Iterator[Document]:
    """Yield the texts of a register corpus; each is a group of its own."""
    for path in sorted((clones / "Multilingual-register-corpora" / "data" / corpus).glob("*.tsv")):
        for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")):
            labels, _, text = line.rpartition("\t")
            if labels.strip():
                yield _document(PERSUASION not in labels.split(), f"{path.name} {number}", text)


def _document(positive: bool, group: str, text: str) -> Document:
    return {"label": int(positive), "group": group, "text": text}


def main(clones: Path, out: Path) -> None:
    """Write a JSONL file of each set whose repository is there."""
    out.mkdir(parents=True, exist_ok=True)
    sets = {
        "en-type": page_types(clones),
        "sv-register": registers(clones, "SweCORE"),
        "fr-register": registers(clones, "FreCORE"),
    }
    for name, documents in sets.items():
        found = [one for one in documents if len(one["text"]) >= MIN_CHARS]
        if found:
            (out / f"{name}.jsonl").write_text("".join(json.dumps(one) + "\n" for one in found), encoding="utf-8")
        print(f"{name}: {len(found)} texts, {sum(one['label'] for one in found)} of them 1")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
