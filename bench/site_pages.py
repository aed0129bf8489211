"""Write a WARC of real pages for each language from copies of public repositories of web sites.

    git clone --depth 1 https://github.com/OWNER/NAME clones/OWNER+NAME
    python -m bench.site_pages clones/* --out site-pages --pages 320
    python -m bench --warc site-pages/sv.warc.gz --language swe_Latn

A page is an HTML file of the last commit whose main text has 250 characters, in the language that lid.176 gives with a
score of 0.65 or more. A repository gives at most `--each` pages in a language, chosen by a fixed seed, and the WARC
takes pages from all repositories by turns. `sites.json` says how many pages each one gave.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import subprocess
import urllib.parse
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding
from tests.languages_made import write_warc

from finest.recipe.language import LanguageModel, shipped_model
from finest.recipe.recipe import LanguageRules
from finest.sample.warc_writer import Response

HTML = re.compile(r"(?i)(\.x?html?(\.gz)?|\.testhtml|\.html?\.[a-z-]{2,5}(\.[a-z0-9-]+)?)$|(^|/)html/[^/]*$")
"""Paths of pages; the last two kinds are those of httpd's translated manual and of the DAnIEL corpus."""
TAG = re.compile(rb"(?i)<(html|body|p|div)\b")
SIZES = range(2_000, 2_000_000)
SHORTEST = 250
LEAST_SCORE = 0.65
LOOKED_AT = 1_500
"""Files of a repository that are read at most."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clones", type=Path, nargs="+", help="OWNER+NAME folders with a copy of a repository")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pages", type=int, default=320, help="pages of a language at most")
    parser.add_argument("--each", type=int, default=80, help="pages of a language from one repository at most")
    options = parser.parse_args()
    model = LanguageModel.load(shipped_model(), LanguageRules().model_sha256)
    found: dict[str, dict[str, list[Response]]] = defaultdict(dict)
    for clone in sorted(options.clones):
        for code, pages in pages_of(clone, model, options.each).items():
            found[code][clone.name.replace("+", "/", 1)] = pages
    options.out.mkdir(parents=True, exist_ok=True)
    sites = {}
    for code, pages_by_site in sorted(found.items()):
        chosen = by_turns(pages_by_site, options.pages)
        write_warc(options.out / f"{code}.warc.gz", [page for _, page in chosen])
        sites[code] = dict(Counter(name for name, _ in chosen))
        print(f"{code}: {len(chosen)} pages of {len(sites[code])} repositories", flush=True)
    (options.out / "sites.json").write_text(json.dumps(sites, indent=1) + "\n")


def by_turns(pages: dict[str, list[Response]], most: int) -> list[tuple[str, Response]]:
    """Return at most that many pages with their sites, the first of each site, then the second of each."""
    turns = max(map(len, pages.values()))
    return [(site, pages[site][n]) for n in range(turns) for site in sorted(pages) if n < len(pages[site])][:most]


def pages_of(clone: Path, model: LanguageModel, most: int) -> dict[str, list[Response]]:
    """Return the pages of a repository by language, but for English."""
    owner, name = clone.name.lower().split("+", 1)
    found: dict[str, list[Response]] = defaultdict(list)
    for path, data in files_of(clone):
        text = extract_plain_text(data.decode(detect_encoding(data), "replace"), main_content=True)
        code, score = model.best(text)[:2]
        if len(text) >= SHORTEST and score >= LEAST_SCORE and code != "en" and len(found[code]) < most:
            url = f"https://{owner}.github.io/{name}/{urllib.parse.quote(path)}"
            found[code].append(Response(url, data, None, content_type="text/html"))
    return {code: pages for code, pages in found.items() if pages}


def files_of(clone: Path) -> Iterator[tuple[str, bytes]]:
    """Yield path and content of HTML files of the last commit in a random order, each content once."""
    objects = {}
    for line in _git(clone, "ls-tree", "-r", "-l", "-z", "HEAD").split(b"\0")[:-1]:
        kind, _, path = line.decode("utf-8", "surrogateescape").partition("\t")
        _, type_, sha, size = kind.split()
        if type_ == "blob" and size.isdigit() and int(size) in SIZES and HTML.search(path):
            objects.setdefault(sha, path)
    files = list(objects.items())
    random.Random(0).shuffle(files)
    for sha, path in files[:LOOKED_AT]:
        data = _git(clone, "cat-file", "blob", sha)
        data = gzip.decompress(data) if path.endswith(".gz") else data
        if TAG.search(data, 0, 20_000):
            yield path, data


def _git(clone: Path, *command: str) -> bytes:
    return subprocess.run(["git", "-C", str(clone), *command], capture_output=True, check=True).stdout


if __name__ == "__main__":
    main()
