"""How often are attacks found out, and what are they paid? `python -m bench.attacks --warc A.warc.gz --save`

An honest dataset is made of real pages, then forged in every way of tests/validator/forged.py. Each is audited with as
many seeds as drawn by as many validators; where the verdict is a pass, its quality is measured for the first few of
them against held-out text of another WARC, and those figures stand for the other seeds too. The score is that of a
miner that used half of its lease. The honest dataset itself is audited with more seeds: it must never fail.

Judging a page and signing a text are pure functions: here each is done once, and remembered.

    python -m bench.attacks --warc A.warc.gz --heldout B.warc.gz --every 3 --save

With `--language deu_Latn` the task is in that language, and the forgeries are of an honest dataset of it. Where
`--heldout` names the task's own file and `--every` is above 1, held-out text comes from its other pages.
"""

from __future__ import annotations

import argparse
import json
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.validator.forged import FORGERIES
from tests.validator.made import NOWHERE, Published, make

from bench.measure import machine
from bench.outcome import thin
from finest.dataset.open import open_dataset
from finest.pipeline.languages import WITHOUT, recipe_for_task
from finest.recipe.judge import judge
from finest.recipe.minhash import Signer
from finest.settings import default_cache
from finest.validator.audit import audit
from finest.validator.context import AuditContext
from finest.validator.evidence import pages_counted, rows_counted, with_quality
from finest.validator.models import Evidence, Plan, Quality
from finest.validator.quality.assess import named
from finest.validator.quality.tier import N_GRAMS
from finest.validator.verdict_quality import measure_quality
from finest.warc.source import Source

RESULT = Path(__file__).resolve().parent / "results" / "attacks.json"
HONEST = "honest"
JUDGES = ("soundness", "completeness", "witness", "quality.sample")
"""Modules of the validator that judge pages."""


@dataclass(slots=True)
class Found:
    """What became of one dataset."""

    name: str
    rows: int
    seeds: int
    failed: int
    seen: int
    """Audits in which something was wrong: a forged row or a missing page, however few."""
    no_evidence: int
    score: float
    """Mean over the seeds; a fail is 0."""
    honesty: float
    recall: float
    volume: float
    quality: float | None
    """Means over the audits that passed; of the quality, over those in which it was measured."""
    why: str
    """Of the first seed."""
    cpu_s: float


def main() -> None:
    """Forge, audit, measure, say it, keep it: `make docs` puts it into docs/concepts/scoring.md."""
    options = _options()
    with tempfile.TemporaryDirectory() as folder, remembered():
        work = Path(folder)
        warc = thin(options.warc, options.every, work / options.warc.name) if options.every > 1 else options.warc
        recipe = recipe_for_task(options.language, WITHOUT, default_cache())[0] if options.language else "fineweb"
        honest = make(work / HONEST, [warc], recipe)
        asked = {"language": options.language, "recipe_hash": honest.manifest.recipe_hash} if options.language else {}
        others = [
            thin(path, options.every, work / f"other-{path.name}", 1)
            if path == options.warc and options.every > 1
            else path
            for path in options.heldout
        ]
        heldout = named([str(path) for path in others], NOWHERE) if others else []
        for name in options.only or (*FORGERIES, HONEST):
            made = honest if name == HONEST else FORGERIES[name](honest, work / name.replace(" ", "-"))
            seeds = options.honest if name == HONEST else options.seeds
            found = judged(name, made, heldout, seeds, options.measured, options.tokens, asked)
            print(said(found), flush=True)
            if options.save:
                save(honest, found, RESULT.with_stem(f"attacks-{options.language}") if options.language else RESULT)


def save(honest: Published, found: Found, path: Path = RESULT) -> None:
    """Keep it, beside what earlier runs found of other forgeries of the same dataset."""
    manifest = honest.manifest
    made_of = {"pages": manifest.pages, "rows": manifest.rows, "tokens": manifest.token_count}
    before = json.loads(path.read_bytes()) if path.exists() else {}
    if any(before.get(name) != value for name, value in made_of.items()):
        before = {}
    command = f"python -m bench.attacks {shlex.join(sys.argv[1:])}"
    attacks = {one["name"]: one for one in before.get("attacks", ())} | {found.name: asdict(found)}
    result = {
        "machine": machine(), "commands": list(dict.fromkeys([*before.get("commands", ()), command])), **made_of,
        "attacks": [attacks[name] for name in (HONEST, *FORGERIES) if name in attacks],
    }  # fmt: skip
    path.write_text(json.dumps(result, indent=1) + "\n")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--warc", type=Path, required=True)
    parser.add_argument("--heldout", type=Path, nargs="*", default=[])
    parser.add_argument("--every", type=int, default=1, help="Take every so-manieth page alone.")
    parser.add_argument("--language", metavar="CODE", help="Make the task one in this language, such as deu_Latn.")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--honest", type=int, default=100, help="Seeds of the honest miner's audits.")
    parser.add_argument("--measured", type=int, default=2, help="Seeds for which quality is measured.")
    parser.add_argument("--tokens", type=int, default=200_000)
    parser.add_argument("--only", nargs="*", metavar="NAME")
    parser.add_argument("--save", action="store_true", help="Keep the result in bench/results.")
    return parser.parse_args()


@contextmanager
def remembered() -> Iterator[None]:
    """Judging and signing, each done once for each page and text."""
    verdicts: dict[Any, Any] = {}
    signatures: dict[str, Any] = {}
    sign = Signer.sign

    def judge_once(page: Any, recipe: Any, cache: Path) -> Any:
        key = recipe.hash, page.id
        if key not in verdicts:
            verdicts[key] = judge(page, recipe, cache)
        return verdicts[key]

    def sign_once(signer: Signer, text: str, tokenizer: Any) -> Any:
        if text not in signatures:
            signatures[text] = sign(signer, text, tokenizer)
        return signatures[text]

    patches = [patch(f"finest.validator.{name}.judge", judge_once) for name in JUDGES]
    patches.append(patch.object(Signer, "sign", sign_once))
    for one in patches:
        one.start()
    try:
        yield
    finally:
        for one in patches:
            one.stop()


def judged(
    name: str, made: Published, heldout: list[Source], seeds: int, measured: int, tokens: int, asked: dict[str, str]
) -> Found:  # fmt: skip
    """Audits of a dataset with that many seeds, and what they come to."""
    began = time.process_time()
    audits = [audit(made.subject(seed, **asked), Plan(), made.context()) for seed in range(seeds)]
    passed = [one for one in audits if one.verdict == "pass"]
    qualities = [figures for one in passed[:measured] if (figures := _quality(one, made, heldout, tokens))]
    scored = [with_quality(one, qualities[n % len(qualities)]) for n, one in enumerate(passed)] if qualities else []
    return Found(
        name, made.manifest.rows, seeds, sum(one.verdict == "fail" for one in audits),
        sum(one.verdict == "fail" or _is_wrong(one) for one in audits),
        sum(one.verdict == "no_evidence" for one in audits), sum(one.total or 0.0 for one in scored) / seeds,
        *(_mean(scored, name) for name in ("honesty", "recall", "volume")),
        _mean(scored, "quality") if scored else None, audits[0].why, time.process_time() - began,
    )  # fmt: skip


def _is_wrong(evidence: Evidence) -> bool:
    return rows_counted(evidence.rows)[1] > 0 or pages_counted(evidence.windows)[1] > 0


def _mean(scored: list[Evidence], factor: str) -> float:
    return statistics.mean(getattr(one.score, factor) for one in scored) if scored else 0.0


def _quality(evidence: Evidence, made: Published, heldout: list[Source], tokens: int) -> Quality | None:
    context: AuditContext = made.context()
    with open_dataset(str(made.folder)) as dataset:
        found = measure_quality(evidence, dataset, heldout, context, N_GRAMS, tokens)
    return found.quality


def said(found: Found) -> str:
    """One line of what became of a dataset."""
    return (
        f"{found.name}: {found.failed} of {found.seeds} fail, score {found.score:.3f}; {found.why}; {found.cpu_s:.0f} s"
    )


if __name__ == "__main__":
    main()
