"""Write the labels and thresholds of the recipe `fineweb-2-lid176`: FineWeb-2 with the shipped language model.

    python -m bench.lid176 WARC... [--texts TEXTS.jsonl.gz ...]

FineWeb-2 sets the threshold of a language to the median of the scores of its pages minus their standard deviation, at
least 0.3 and at most 0.9 (arXiv:2506.20920). GlotLID's thresholds do not fit the scores of lid.176. So this script
computes them anew by the same formula, from the texts that trafilatura extracts of the WARCs' pages (and the field
`text` of further texts): a page counts for the language that lid.176 gives, unless it is English above 0.65. A language
with fewer than 20 such pages gets the threshold of all pages together.

The agreement of both models cannot be measured where GlotLID is not at hand. The script prints how many pages with each
of CLD2's languages (the metadata records of the WARCs) have the same language by this recipe.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

from finest.atomic_files import write_whole
from finest.recipe.iso639 import language_of
from finest.recipe.judge import READING, PageState, toolbox
from finest.recipe.language import SHIPPED_SHA256, LanguageModel, shipped_model
from finest.recipe.languages import languages
from finest.recipe.recipe import load_recipe
from finest.recipe.stages.extraction import EXTRACTION
from finest.settings import default_cache
from finest.warc.slices import Slice, read_slice
from finest.warc.source import inspect

RECIPE = Path(__file__).parents[1] / "src/finest/recipe/fineweb-2-lid176.toml"
MARK = "# Written by python -m bench.lid176: "
ENGLISH_ABOVE = 0.65
LOWEST, HIGHEST = 0.3, 0.9
LEAST_PAGES = 20
IN_LATIN = ("az", "ku", "min", "ms", "ro", "tk", "uz")
"""Labels of languages that the table has in several scripts, which the web mostly writes in Latin script. The others
are written in their own script, and in Latin script only informally."""
OWN_SCRIPT = {"sd": "snd_Arab", "tt": "tat_Cyrl", "ug": "uig_Arab"}


def label_codes(model: LanguageModel) -> dict[str, str]:
    """Return the table's code for each of the model's labels whose language the table has."""
    found = {}
    for label in sorted(model.labels):
        same = [code for code in languages() if label in model.labels_of(code)]
        if len(same) > 1:
            latin = [code for code in same if code.endswith("_Latn")]
            own = [code for code in same if not code.endswith("_Latn")]
            same = latin if label in IN_LATIN else [OWN_SCRIPT[label]] if label in OWN_SCRIPT else own
        if same:
            found[label] = same[0]
    return found


def texts_of(warcs: Sequence[Path], others: Sequence[Path]) -> Iterator[tuple[str, str]]:
    """Yield the extracted text of each page with CLD2's code of its main language ("" if there is none)."""
    recipe = load_recipe("fineweb")
    tools = toolbox(recipe, default_cache())
    for warc in warcs:
        source = inspect(str(warc), warc.name)
        for record in read_slice(source, Slice(0, 0, 0, source.size_bytes), max_record_bytes=1 << 26):
            state = PageState(record.page())
            for stage in (*READING, EXTRACTION):
                if any(check.failed for check in stage.run(state, tools.rules[stage.section], tools)):
                    break
            else:
                by_cld2 = max(state.page.languages or (), key=lambda pair: pair[1], default=("", 0.0))[0]
                yield state.text, by_cld2
    for path in others:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                yield json.loads(line)["text"], ""


def threshold(scores: Sequence[float]) -> float:
    """Return FineWeb-2's threshold for these scores, rounded to three digits as the published ones are."""
    return round(max(LOWEST, min(HIGHEST, statistics.median(scores) - statistics.pstdev(scores))), 3)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.lid176", description=__doc__.splitlines()[0])
    parser.add_argument("warcs", nargs="+", type=Path)
    parser.add_argument("--texts", nargs="*", type=Path, default=[])
    args = parser.parse_args()
    model = LanguageModel.load(shipped_model(), SHIPPED_SHA256)
    codes = label_codes(model)
    scores: dict[str, list[float]] = defaultdict(list)
    agree: Counter[str] = Counter()
    stated: Counter[str] = Counter()
    for text, by_cld2 in texts_of(args.warcs, args.texts):
        label, score = model.best(text)
        if model.score(text, "en") > ENGLISH_ABOVE or label not in codes:
            continue
        scores[codes[label]].append(score)
        theirs, ours = language_of(by_cld2), language_of(codes[label])
        if theirs and ours and theirs.code != "eng":
            stated[codes[label]] += 1
            agree[codes[label]] += theirs.is_same(ours)
    pooled = threshold([score for some in scores.values() for score in some])
    values = {
        code: threshold(scores[code]) if len(scores[code]) >= LEAST_PAGES else pooled
        for code in sorted(set(codes.values()))
    }
    own = {code: len(some) for code, some in scores.items() if len(some) >= LEAST_PAGES}
    head = RECIPE.read_text(encoding="utf-8").partition(MARK)[0]
    where = ", ".join(path.name for path in (*args.warcs, *args.texts))
    where = f"{sum(map(len, scores.values())):,} pages of {where}"
    write_whole(RECIPE, (head + _data(codes, values, own, where)).encode())
    for code in sorted(own, key=lambda code: -own[code]):
        of_cld2 = f"{agree[code]} of {stated[code]} as CLD2" if stated[code] else ""
        print(f"{code} {own[code]:5} pages, threshold {values[code]:.3f} {of_cld2}")
    print(f"all together: threshold {pooled:.3f}; as CLD2: {agree.total()} of {stated.total()}")


def _data(codes: dict[str, str], values: dict[str, float], own: dict[str, int], where: str) -> str:
    named = "\n".join(f'{label} = "{code}"' for label, code in codes.items())
    limits = "\n".join(
        f"{code} = {value}" + (f"  # {own[code]} pages" if code in own else "") for code, value in values.items()
    )
    return (
        f"{MARK}{where}.\n# The table's code of each label of lid.176.\n[language.labels]\n{named}\n\n"
        f"# max(0.3, min(0.9, median - standard deviation)) of the scores; without a number of pages, of all pages.\n"
        f"[language.thresholds]\n{limits}\n"
    )


if __name__ == "__main__":
    main()
