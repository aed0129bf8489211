"""Build `bpe-4096-languages.json`, the tokenizer for other languages than English.

    python -m finest.validator.quality.build_languages

It is trained on the prose of the sample in ten languages, about 68 kB, none of which is in a fixed document. Every
build produces the same bytes; their sha256 is in `tokens.py`, which refuses any other file.
"""

from __future__ import annotations

import hashlib

from finest.atomic_files import write_whole
from finest.sample.build_languages import articles_in
from finest.sample.prose import LANGUAGES as CODES
from finest.validator.quality.build_model import tokenizer
from finest.validator.quality.tokens import LANGUAGES

SOURCES = (f"The prose of this project's own sample (MIT), finest/sample/pages/languages: {', '.join(CODES)}.",)


def main() -> None:
    """Build the file and print its sha256."""
    texts = [article.text for code in CODES for article in articles_in(code)]
    write_whole(LANGUAGES.path, tokenizer(texts, SOURCES, "MIT"))
    print(hashlib.sha256(LANGUAGES.path.read_bytes()).hexdigest(), LANGUAGES.path.name)  # noqa: T201


if __name__ == "__main__":
    main()
