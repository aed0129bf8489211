"""The command `finest model label`."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.shared import common_crawl, say
from finest.errors import UsageError
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.models.labelling.asking import Question
    from finest.models.labelling.endpoint import Endpoint


@click.command()
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="LABELS.parquet",
    help="The labels. Every label is first saved in a journal beside it, from which the same command continues.",
)  # fmt: skip
@click.option("--classes", metavar="NAME,NAME...", help="Label with names of classes.  [default: with 0 and 1]")
@click.option("--grades", is_flag=True, help="Label with grades from 0 to 5.")
@click.option(
    "--pages", type=click.IntRange(min=1, max=1_000_000), default=500, show_default=True,
    help="Number of pages to label, drawn by the hash of their text.",
)  # fmt: skip
@click.option("--recipe", "recipe_name", metavar="NAME|FILE.toml", help="Recipe that refines sources that are WARCs.")
@click.option(
    "--by", default="person", show_default=True, metavar="NAME", help="Who labels, for the file's provenance."
)
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="Port of the page.  [default: any free one]")
@click.option("--endpoint", metavar="URL", help="Ask the model behind this OpenAI-compatible endpoint instead.")
@click.option(
    "--prompt", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE",
    help="With --endpoint: what to ask, with {text} for the page's text.",
)  # fmt: skip
@click.option("--model", "model_name", metavar="NAME", help="With --endpoint: the model.  [default: the only one]")
@click.option(
    "--parallel", type=click.IntRange(1, 256), default=4, show_default=True, help="With --endpoint: requests at a time."
)
@click.option(
    "--max-chars", type=click.IntRange(min=100), default=8_000, show_default=True,
    help="With --endpoint: characters of a page that the model is shown.",
)  # fmt: skip
def label(
    sources: tuple[str, ...], out: Path, classes: str | None, grades: bool, pages: int, recipe_name: str | None,
    by: str, port: int, endpoint: str | None, prompt: Path | None, model_name: str | None, parallel: int,
    max_chars: int,
) -> None:  # fmt: skip
    """Label pages by hand in a browser, or with a model.

    SOURCE is a finished dataset (a folder or OWNER/NAME@REVISION), a Parquet, JSONL (.gz, .zst) or CSV file with a
    column text, a folder of such files, or with --recipe a WARC. Every label is saved at once; stop at any time, and
    run the same command again to continue.

    Without --endpoint the command prints the address of a page on this machine. With it, the model's answer must end
    with a line that is a label and nothing else; other answers are counted and kept in the journal. The endpoint's
    key, if it needs one, is OPENAI_API_KEY, from the environment or .env.

    \b
    finest model label my-dataset --out labels.parquet
    finest model label my-dataset --out types.parquet --classes article,forum,product
    finest model label my-dataset --out grades.parquet --grades --pages 20000 \\
      --endpoint http://127.0.0.1:8000/v1 --prompt prompt.txt
    finest model train --labels labels.parquet --out edu.safetensors
    """
    settings = load_settings()
    from finest.cli.views.steps import Steps
    from finest.dataset.hub_client import quiet_client
    from finest.models.documents import find_sources
    from finest.models.labelling.run import LabelOptions, check_options, label_by_hand, label_by_model
    from finest.models.labelling.scale import scale_of

    quiet_client()
    refined = None
    if recipe_name is not None:
        from finest.models.warcs import refiner
        from finest.recipe.recipe import load_recipe

        refined = refiner(load_recipe(recipe_name), settings.cache, common_crawl(settings))
    scale = scale_of(classes, grades=grades)
    asked = _asked(endpoint, prompt, model_name, max_chars, parallel)
    options = LabelOptions(find_sources(sources, refined), out, scale, pages)
    check_options(options)
    with ExitStack() as shown:
        steps = shown.enter_context(Steps())
        if asked is None:
            label_by_hand(options, by, port, steps, lambda address: _opened(address, shown), say)
            return
        try:
            label_by_model(options, *asked, steps, say)
        except KeyboardInterrupt:
            say("finest: stopped. Run the same command again to continue.")
            raise SystemExit(130) from None


def _opened(address: str, shown: ExitStack) -> None:
    shown.close()  # the bar of what was read
    say(f"Open {address}\nEvery label is saved at once. End with Ctrl-C, or with the button on the page.")


def _asked(
    address: str | None, prompt: Path | None, model: str | None, max_chars: int, parallel: int
) -> tuple[Endpoint, Question] | None:
    """Return the endpoint and what it is asked; None if a person labels."""
    if address is None:
        if prompt is not None or model is not None:
            raise UsageError("--prompt and --model need --endpoint: no model is asked without one")
        return None
    if prompt is None:
        raise UsageError("--endpoint needs --prompt: a file that says what to ask, with {text} for the page's text")
    from finest.models.labelling.asking import Question, check_prompt
    from finest.models.labelling.endpoint import Endpoint

    words = prompt.read_text(encoding="utf-8", errors="replace")
    check_prompt(words)
    endpoint = Endpoint(address, os.environ.get("OPENAI_API_KEY") or None, say)
    return endpoint, Question(words, model or endpoint.only_model(), max_chars, parallel)
