"""The command `finest quality`: measure how good a dataset is."""

from __future__ import annotations

import json
import secrets
import sys
import time
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finest.cli.shared import common_crawl, console, say
from finest.settings import load_settings

if TYPE_CHECKING:
    from rich.console import Console

    from finest.validator.quality import NoEvidence, Quality

LINE_EVERY_S = 5.0
NO_EVIDENCE = 1
"""Exit status if there was too little text to measure the quality."""


@click.command()
@click.argument("where", metavar="REPO@REVISION|FOLDER")
@click.option(
    "--warc",
    "warcs",
    multiple=True,
    metavar="WARC",
    help="A WARC that the dataset was made of; name all or some of them.",
)
@click.option(
    "--heldout", multiple=True, metavar="WARC",
    help="A WARC that the dataset was not made of; the models predict its text.  "
    "[default: only the documents that come with finest]",
)  # fmt: skip
@click.option(
    "--tokens", type=click.IntRange(min=1000),
    help="Training tokens for each of the three models; fewer are faster, with a larger error.  "
    "[default: 4,000,000, or 400,000 with --tier 2]",
)  # fmt: skip
@click.option(
    "--tier", type=click.Choice(["1", "2"]), default="1", show_default=True,
    help="1: an n-gram model, seconds on any CPU. 2: a small Llama, which continues from a pinned checkpoint.",
)  # fmt: skip
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), help="Device for tier 2.  [default: cuda if there is a GPU]"
)
@click.option(
    "--save", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Save tier 2's nine models (about 50 MB) in the format of lm-eval and transformers.",
)  # fmt: skip
@click.option("--seed", metavar="HEX", help="Seed for a repeatable sample, in hexadecimal.  [default: random]")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def quality(
    where: str, warcs: tuple[str, ...], heldout: tuple[str, ...], tokens: int | None, tier: str, device: str | None,
    save: Path | None, seed: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure how good a dataset's text is.

    The result is 1 if the text is as good as the reference recipe's, and 0 if it is as good as the raw text of the
    same pages. The command trains three small language models: on the dataset, on its own refinement of random
    windows of the same WARCs, and on their raw text. All three predict the same unseen text. Tier 1 needs no account
    and no GPU. Tier 2 needs pip install 'finest-data[gpu]', and a GPU for more than a trial.

    \b
    finest quality my-dataset --warc crawl/a.warc.gz --heldout crawl/b.warc.gz
    finest quality alice/web-2025-26@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c --tokens 1000000
    finest quality my-dataset --warc crawl/a.warc.gz --tier 2 --save models
    """
    settings = load_settings()
    from finest.dataset.hub_client import quiet_client
    from finest.dataset.open import open_dataset
    from finest.validator.languages import recipe_in_languages
    from finest.validator.quality import NoEvidence
    from finest.validator.quality.assess import assess, places, unassigned
    from finest.validator.quality.tier import tier_of

    quiet_client()
    seed = _seed(seed)
    model = tier_of(int(tier), device, save)
    with open_dataset(where, say=say) as dataset:
        sources = places(dataset, warcs, common_crawl(settings))
        others = unassigned(dataset, heldout, common_crawl(settings))
        if not others:
            say("No --heldout: the models predict only the documents that come with finest, and the error is larger")
        reference = recipe_in_languages(dataset.manifest)
        found = assess(
            dataset, sources, others, settings.cache, seed, tier=model, tokens=tokens, reference=reference,
            progress=Lines(),
        )  # fmt: skip
    if as_json:
        click.echo(json.dumps(as_dict(found), indent=1))
    else:
        show(console(), found)
    if isinstance(found, NoEvidence):
        sys.exit(NO_EVIDENCE)


def _seed(stated: str | None) -> str:
    """Return the seed in lower case; without one, draw a random seed and print it."""
    if stated is None:
        stated = secrets.token_hex(8)
        say(f"Seed {stated}")
    try:
        return bytes.fromhex(stated.removeprefix("0x")).hex()
    except ValueError:
        raise click.BadParameter(f"{stated!r} is not hexadecimal", param_hint="--seed") from None


class Lines:
    """Prints the progress of each step every few seconds, with the time left."""

    def __init__(self) -> None:
        self._step, self._began, self._said = "", 0.0, 0.0

    def __call__(self, step: str, share: float, words: str) -> None:
        now = time.monotonic()
        if step != self._step:
            self._step, self._began, self._said = step, now, now
            say(step)
        if share >= 1:
            say(f"100%  {words}")
        elif now - self._said >= LINE_EVERY_S:
            from finest.pipeline.progress import time_left

            self._said = now
            say(f"{share:4.0%}  {words}, {time_left((now - self._began) * (1 - share) / share)}")


def as_dict(found: Quality | NoEvidence) -> dict[str, Any]:
    """Return the result for JSON: `no_evidence` with the reason, or the measurements. Infinite numbers become null."""
    from finest.validator.quality import NoEvidence

    if isinstance(found, NoEvidence):
        return {"no_evidence": found.reason}
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in asdict(found).items()}


def show(to: Console, found: Quality | NoEvidence) -> None:
    """Print the result as a table."""
    from finest.validator.quality import NoEvidence

    if isinstance(found, NoEvidence):
        to.print(f"no evidence: {found.reason}", markup=False)
        return
    q = "cannot be measured: raw text and reference score the same"
    if found.q is not None:
        q = f"{found.q:.3f} ± {found.q_error:.3f}   (1 = the reference, 0 = raw text)"
    elif not isfinite(found.bpb):
        q = "cannot be measured: the dataset has no text, or contains the held-out text"
    lines = {
        "quality": q,
        "bits per byte": f"{found.bpb:.4f}, reference {found.bpb_reference:.4f}, raw text {found.bpb_raw:.4f}, "
        f"± {found.error_bpb:.4f}",
        "trained on": f"{found.tokens:,} tokens each, of {found.submission_tokens:,} in the dataset, "
        f"{found.reference_tokens:,} in the reference and {found.raw_tokens:,} in the raw text",
        "predicted": f"{found.heldout_documents:,} documents, {found.heldout_bytes:,} bytes",
        "dropped": f"{found.known_documents:,} held-out documents that are in the task's pages, "
        f"{found.leaked_documents:,} that are only in the dataset",
        "model": ", ".join([f"tier {found.tier}", *(f"{name} {what}" for name, what in found.runs_on.items())]),
        "seed": found.seed,
    }
    for name, value in lines.items():
        to.print(f"{name:14}{value}", markup=False)
