"""Compare the cost of words with DataTrove's, language by language, on the same pages in one run.

    python -m bench.words --warc ../shared/corpus/mix-00.warc.gz --languages de,fr,ru --save

Each page's text (resiliparse's main content) is tokenized by both in turn; the tokens must be the same. Caches start
cold, and the time to load rules and dictionaries is left out.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from datatrove.utils.word_tokenizers import load_word_tokenizer
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding

from bench.measure import machine
from finest.recipe.language import LanguageModel, shipped_model
from finest.recipe.recipe import LanguageRules
from finest.recipe.words import tokenizer_for

RESULT = Path(__file__).parent / "results" / "words.json"
CODES = {
    "de": "deu_Latn", "fr": "fra_Latn", "es": "spa_Latn", "it": "ita_Latn", "pt": "por_Latn", "nl": "nld_Latn",
    "pl": "pol_Latn", "ru": "rus_Cyrl", "sv": "swe_Latn", "da": "dan_Latn", "id": "ind_Latn", "tr": "tur_Latn",
    "zh": "cmn_Hani", "ja": "jpn_Jpan", "ko": "kor_Hang",
}  # fmt: skip


def texts_by_language(paths: list[Path], wanted: list[str], most: int) -> dict[str, list[str]]:
    """Return up to `most` texts of each language, as the shipped identifier tells them."""
    model = LanguageModel.load(shipped_model(), LanguageRules().model_sha256)
    found: dict[str, list[str]] = {one: [] for one in wanted}
    for path in paths:
        with path.open("rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.response):
                body = record.reader.read()
                text = extract_plain_text(body.decode(detect_encoding(body), "replace"), main_content=True)
                if len(text) < 300:
                    continue
                language = model.best(text)[0]
                if len(found.get(language, [None] * most)) < most:
                    found[language].append(text[:30_000])
    return found


def compare(language: str, texts: list[str]) -> list[Any]:
    """Return a row of the result; raise ValueError if the tokens of a text differ."""
    code = CODES[language]
    reference, ours = load_word_tokenizer(code), tokenizer_for(code)
    for warm in ("IS_ALPHA", "x"):
        with suppress(Exception):
            reference.word_tokenize(warm)
        ours.words(warm)
    tokens, theirs_s, ours_s = 0, 0.0, 0.0
    for text in texts:
        start = time.process_time()
        expected = reference.word_tokenize(text)
        between = time.process_time()
        words = ours.words(text)
        end = time.process_time()
        if words.tokens != expected:
            raise ValueError(f"{code}: the tokens of a text differ")
        tokens, theirs_s, ours_s = tokens + len(expected), theirs_s + between - start, ours_s + end - between
    return [code, len(texts), tokens, round(theirs_s, 2), round(ours_s, 2), round(ours_s / theirs_s, 3)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--warc", type=Path, nargs="+", required=True)
    parser.add_argument("--languages", default=",".join(CODES))
    parser.add_argument("--most", type=int, default=200, help="pages of a language")
    parser.add_argument("--save", action="store_true", help="write bench/results/words.json")
    options = parser.parse_args()
    wanted = options.languages.split(",")
    rows = []
    for language, texts in texts_by_language(options.warc, wanted, options.most).items():
        if texts:
            rows.append(compare(language, texts))
            print(*rows[-1], sep="\t", flush=True)
    if options.save:
        result = {"machine": machine(), "warcs": [path.name for path in options.warc], "rows": rows}
        RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
