"""Writes `shipped_heldout.txt`: the hosts on which no shipped model is trained, as hashes.

    python -m bench.shipped_heldout ../shared/corpus

`labels` are the hosts of the labelled set `en-type`, `corpus` those of the WARCs that the ablation refines.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path
from urllib.parse import urlsplit

from bench.shipped_texts import HELD_OUT, hashed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder with labels/en-type.jsonl.gz and pages.jsonl.gz")
    corpus = parser.parse_args().corpus
    lines = {f"labels {hashed(row['group'])}" for row in _rows(corpus / "labels" / "en-type.jsonl.gz")}
    hosts = {urlsplit(row["url"]).netloc for row in _rows(corpus / "pages.jsonl.gz")}
    lines |= {f"corpus {hashed(host)}" for host in hosts if not host.endswith(".invalid")}
    HELD_OUT.write_text("\n".join(sorted(lines)) + "\n", encoding="ascii")
    print(f"{len(lines)} hosts: wrote {HELD_OUT.name}")


def _rows(path: Path) -> list[dict[str, str]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


if __name__ == "__main__":
    main()
