"""What scoring a page costs: three quality models in one pass, beside fastText's prediction on the same texts.

    python -m bench.scoring --warc mix-00.warc.gz

The texts are those that recipe `finest` keeps of the WARC. The models have drawn weights, since a score costs the same
whatever the weights are: two scores of 2^18 weights and one model of six classes of 2^16. fastText's model is trained
on the texts with drawn labels (100 dimensions, word 2-grams, 200,000 buckets). Every figure is CPU time of one thread,
the median of several rounds, by turns in one process.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from fasttext.FastText import _FastText
from tests.recipe.quality_model.made import model

from bench.fasttext_training import train
from bench.measure import machine
from bench.reading import pages_of
from finest.recipe.judge import judge
from finest.recipe.quality_model import score_all
from finest.recipe.recipe import load_recipe
from finest.settings import default_cache

CLASSES = ("article", "code", "forum", "listing", "product", "other")


def texts_of(warc: Path) -> list[str]:
    """The texts that recipe `finest` keeps."""
    recipe, cache = load_recipe("finest"), default_cache()
    verdicts = (judge(page, recipe, cache) for page in pages_of(str(warc)))
    return [verdict.text for verdict in verdicts if verdict.text is not None]


def fasttext_predict(texts: list[str]) -> Callable[[str], Any]:
    """A function that predicts with a model of fastText's; raises CannotTrain."""
    draw = random.Random(0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "texts"
        path.write_text("".join(f"__label__{draw.randrange(2)} {' '.join(text.split())}\n" for text in texts))
        train(path, path.with_suffix(".bin"), dim=100, wordNgrams=2, bucket=200_000, epoch=1, minCount=2)
        trained = _FastText(str(path.with_suffix(".bin"))).f
    return lambda text: trained.predict(text.replace("\n", " ") + "\n", 1, 0.0, "strict")


def cost_ms(score: Callable[[str], Any], texts: list[str]) -> float:
    """CPU milliseconds per text."""
    begin = time.process_time()
    for text in texts:
        score(text)
    return (time.process_time() - begin) * 1000 / len(texts)


def main() -> None:
    """Measure by turns, and say it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warc", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    texts = texts_of(options.warc)
    models = (model("edu", 18), model("spam", 18, seed=1), model("page_type", 16, CLASSES, seed=2))
    ways: dict[str, Callable[[str], Any]] = {
        "three quality models": lambda text: score_all(models, text),
        "one quality model": lambda text: score_all(models[:1], text),
        "fastText": fasttext_predict(texts),
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, score in ways.items():
            found[name].append(cost_ms(score, texts))
    sizes = [len(text.encode()) for text in texts]
    print(f"{machine()['cpu']}: {len(texts)} texts of {sum(sizes) / len(sizes):,.0f} bytes on average")
    for name, costs in found.items():
        print(f"{name}: {median(costs):.4f} ms a text (from {min(costs):.4f} to {max(costs):.4f})")


if __name__ == "__main__":
    main()
