"""The group `finest model`: train a quality model, look at it, check it and score texts with it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.groups import Commands
from finest.cli.shared import common_crawl, console, json_of, needs, say
from finest.errors import VerifyError
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.models.documents import Refined

PLACE = "MODEL|FOLDER|REPO@REVISION"


@click.group(cls=Commands)
def model() -> None:
    """Train a quality model, evaluate it, score texts with it and check what others published.

    \b
    finest model train --labels labels.parquet --heldout unseen.parquet --out edu.safetensors
    finest model show edu.safetensors
    finest model score edu.safetensors my-dataset
    finest model check edu.safetensors
    """


@model.command()
@click.option("--good", multiple=True, metavar="SOURCE", help="Texts to prefer; repeat the flag for more sources.")
@click.option("--other", multiple=True, metavar="SOURCE", help="Texts to tell them from, such as an ordinary crawl.")
@click.option(
    "--labels", multiple=True, metavar="FILE",
    help="Parquet, JSONL or CSV with the columns text and label, and for the folds group, host or url.",
)  # fmt: skip
@click.option(
    "--heldout", multiple=True, metavar="FILE",
    help="A labelled file that the model is not trained on; it is evaluated on it, and `check` does that again.",
)  # fmt: skip
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), metavar="NAME.safetensors",
    help="The model's file; NAME becomes the column of its scores. model.json is written beside it.",
)  # fmt: skip
@click.option("--recipe", "recipe_name", metavar="NAME|FILE.toml", help="Recipe that refines sources that are WARCs.")
@click.option(
    "--bits", type=click.IntRange(8, 20), default=18, show_default=True,
    help="The model has 2^BITS weights of two bytes, for each class.",
)  # fmt: skip
@click.option(
    "--max-documents", type=click.IntRange(min=100), default=200_000, show_default=True,
    help="Train on at most so many documents, drawn by the hash of their text, in equal parts for each label.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print model.json.")
def train(
    good: tuple[str, ...], other: tuple[str, ...], labels: tuple[str, ...], heldout: tuple[str, ...], out: Path,
    recipe_name: str | None, bits: int, max_documents: int, as_json: bool,
) -> None:  # fmt: skip
    """Train a model that gives each text a score, or a class.

    SOURCE is a finished dataset (a folder or OWNER/NAME@REVISION), a Parquet, JSONL (.gz, .zst) or CSV file with a
    column text, a folder of such files, or with --recipe a WARC. Labels are 0 and 1, grades from 0 to 5, or the names
    of classes. The evaluation holds out a fifth of the hosts at a time, so no page of a site helps another of it.

    \b
    finest model train --good textbooks.jsonl.gz --other my-dataset --out edu.safetensors
    finest model train --labels grades.parquet --heldout unseen.csv --out edu.safetensors
    finest model train --good manuals --other crawl.warc.gz --recipe finest --out manual.safetensors

    It needs pip install 'finest-data[train]'.
    """
    with needs("train"):
        from finest.models.train import TrainOptions, check_options
        from finest.models.train import train as run

    from finest.cli.views.model import show_record
    from finest.cli.views.steps import Steps
    from finest.dataset.hub_client import quiet_client
    from finest.models.documents import find_files, find_sources

    quiet_client()
    refined = _refiner(recipe_name)
    options = TrainOptions(
        out=out, good=find_sources(good, refined), other=find_sources(other, refined), labels=find_files(labels),
        heldout=find_files(heldout), bits=bits, max_documents=max_documents,
    )  # fmt: skip
    check_options(options)
    with Steps() as steps:
        record = run(options, steps)
    if as_json:
        click.echo(record.to_json().decode(), nl=False)
    else:
        show_record(console(), record)
        say(f"Wrote {out} and {out.parent / 'model.json'}\nScore texts:  finest model score {out} my-dataset")


def _refiner(recipe_name: str | None) -> Refined | None:
    settings = load_settings()
    if recipe_name is None:
        return None
    from finest.models.warcs import refiner
    from finest.recipe.recipe import load_recipe

    return refiner(load_recipe(recipe_name), settings.cache, common_crawl(settings))
