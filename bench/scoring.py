"""What scoring a page costs: three quality models in one pass, beside fastText's prediction on the same texts.

    python -m bench.scoring --warc mix-00.warc.gz en-00.warc.gz

The texts are those that recipe `finest` keeps of the WARCs, and the models those that come with finest. fastText's
model is trained on the texts with drawn labels (100 dimensions, word 2-grams, 200,000 buckets). Every figure is CPU
time of one thread, the median of several rounds, by turns in one process. In a loop over texts alone, tables stay in
the processor's caches. So each way is also measured with the caches emptied before every text. In a run other stages
work between two texts, and the cost lies between the two.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from fasttext.FastText import _FastText

import finest.recipe
from bench.fasttext_training import train
from bench.measure import machine
from bench.reading import pages_of
from finest.recipe.judge import judge
from finest.recipe.quality_model import QualityModel, score_all
from finest.recipe.recipe import load_recipe
from finest.settings import default_cache

MODELS = Path(finest.recipe.__file__).with_name("models")
CACHES = np.zeros(4 << 20, np.uint8)
"""More than the caches that belong to one core."""


def texts_of(warcs: list[Path]) -> list[str]:
    """The texts that recipe `finest` keeps."""
    recipe, cache = load_recipe("finest"), default_cache()
    verdicts = (judge(page, recipe, cache) for warc in warcs for page in pages_of(str(warc)))
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


def cost_ms(score: Callable[[str], Any], texts: list[str], *, cold: bool) -> float:
    """CPU milliseconds per text; `cold` empties the caches before every text."""
    spent_s = 0.0
    for text in texts:
        if cold:
            CACHES.fill(1)
        begin = time.thread_time()
        score(text)
        spent_s += time.thread_time() - begin
    return spent_s * 1000 / len(texts)


def main() -> None:
    """Measure by turns, and say it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warc", type=Path, nargs="+", required=True)
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    texts = texts_of(options.warc)
    models = tuple(QualityModel.load(MODELS / f"{name}.safetensors") for name in ("edu", "spam", "page_type"))
    ways: dict[str, Callable[[str], Any]] = {
        "three quality models": lambda text: score_all(models, text),
        "one quality model": lambda text: score_all(models[:1], text),
        "fastText": fasttext_predict(texts),
    }
    found: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(options.rounds):
        for name, score in ways.items():
            found[name].append(cost_ms(score, texts, cold=False))
            found[f"{name}, caches emptied"].append(cost_ms(score, texts[::4], cold=True))
    sizes = [len(text.encode()) for text in texts]
    print(f"{machine()['cpu']}: {len(texts)} texts of {sum(sizes) / len(sizes):,.0f} bytes on average")
    for name, costs in found.items():
        print(f"{name}: {median(costs):.4f} ms a text (from {min(costs):.4f} to {max(costs):.4f})")


if __name__ == "__main__":
    main()
