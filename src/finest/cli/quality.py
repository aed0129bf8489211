"""`finest quality`: is a dataset good."""

from __future__ import annotations

import json
import secrets
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
"""Exit status where there was too little to measure with."""


@click.command()
@click.argument("where", metavar="REPO@REVISION|FOLDER")
@click.option("--warc", "warcs", multiple=True, metavar="WARC", help="A WARC it was made of; all, or some of them.")
@click.option(
    "--heldout", multiple=True, metavar="WARC",
    help="A WARC that it was not made of, for text to predict.  [default: only the documents that ship]",
)  # fmt: skip
@click.option(
    "--tokens", type=click.IntRange(min=1000),
    help="Training tokens of each side; fewer are quicker and surer to be had, with a larger error.  "
    "[default: 4,000,000, or 400,000 with --tier 2]",
)  # fmt: skip
@click.option(
    "--tier", type=click.Choice(["1", "2"]), default="1", show_default=True,
    help="1: an n-gram model, in seconds on any CPU. 2: a small Llama, trained on from a pinned checkpoint.",
)  # fmt: skip
@click.option(
    "--device", type=click.Choice(["cpu", "cuda"]), help="Where tier 2 runs.  [default: on a GPU if there is one]"
)
@click.option(
    "--save", type=click.Path(file_okay=False, path_type=Path), metavar="FOLDER",
    help="Keep tier 2's nine models, some 50 MB, as lm-eval and transformers load them.",
)  # fmt: skip
@click.option("--seed", metavar="HEX", help="Draw the same again.  [default: random]")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def quality(
    where: str, warcs: tuple[str, ...], heldout: tuple[str, ...], tokens: int | None, tier: str, device: str | None,
    save: Path | None, seed: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Measure how good a dataset is: 1 as the reference recipe makes it, 0 as raw text of the same pages.

    A small language model is fitted on the dataset, on the validator's own refinement of random windows of the same
    WARCs, and on their raw text, and each has to predict text that none has seen. It needs no account, and no GPU:
    tier 2 wants one for more than a trial, and pip install 'finest-data[gpu]'.

    \b
    finest quality my-dataset --warc crawl/a.warc.gz --heldout crawl/b.warc.gz
    finest quality alice/web-2025-26@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c --tokens 1000000
    finest quality my-dataset --warc crawl/a.warc.gz --tier 2 --save models
    """
    settings = load_settings()
    from finest.dataset.hub_client import quiet_client
    from finest.dataset.open import open_dataset
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
            say("No --heldout: only the documents that ship are predicted, and the error is larger")
        found = assess(dataset, sources, others, settings.cache, seed, tier=model, tokens=tokens, progress=Lines())
    if as_json:
        click.echo(json.dumps(as_dict(found), indent=1))
    else:
        show(console(), found)
    if isinstance(found, NoEvidence):
        raise click.exceptions.Exit(NO_EVIDENCE)


def _seed(stated: str | None) -> str:
    """The seed in lower case, or a random one, which is said."""
    if stated is None:
        stated = secrets.token_hex(8)
        say(f"Seed {stated}")
    try:
        return bytes.fromhex(stated.removeprefix("0x")).hex()
    except ValueError:
        raise click.BadParameter(f"{stated!r} is not hexadecimal", param_hint="--seed") from None


class Lines:
    """Says what is done, every few seconds, and what time is left of the step."""

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
    """As JSON takes it: `no_evidence` with the reason, or the figures; what is not finite is null."""
    from finest.validator.quality import NoEvidence

    if isinstance(found, NoEvidence):
        return {"no_evidence": found.reason}
    return {k: None if isinstance(v, float) and not isfinite(v) else v for k, v in asdict(found).items()}


def show(to: Console, found: Quality | NoEvidence) -> None:
    """For a person."""
    from finest.validator.quality import NoEvidence

    if isinstance(found, NoEvidence):
        to.print(f"no evidence: {found.reason}", markup=False)
        return
    q = "not to be told: raw text and reference are alike"
    if found.q is not None:
        q = f"{found.q:.3f} ± {found.q_error:.3f}   (1 as the reference, 0 as raw text)"
    elif not isfinite(found.bpb):
        q = "none: no submitted text, or it holds the held-out text"
    lines = {
        "quality": q,
        "bits per byte": f"{found.bpb:.4f}, reference {found.bpb_reference:.4f}, raw text {found.bpb_raw:.4f}, "
        f"± {found.error_bpb:.4f}",
        "trained on": f"{found.tokens:,} tokens each, of {found.submission_tokens:,}, {found.reference_tokens:,} and "
        f"{found.raw_tokens:,}",
        "predicted": f"{found.heldout_documents} documents, {found.heldout_bytes:,} bytes",
        "dropped": f"{found.known_documents} that the task's pages hold, {found.leaked_documents} that the dataset "
        "alone holds",
        "model": ", ".join([f"tier {found.tier}", *(f"{name} {what}" for name, what in found.runs_on.items())]),
        "seed": found.seed,
    }
    for name, value in lines.items():
        to.print(f"{name:14}{value}", markup=False)


COMMANDS = (quality,)
"""In the order in which a person meets them."""
