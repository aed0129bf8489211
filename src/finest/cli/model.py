"""The group `finest model`: train a quality model, look at it, check it and score texts with it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.groups import Commands
from finest.cli.model_import import import_fasttext
from finest.cli.model_label import label
from finest.cli.model_publish import publish
from finest.cli.shared import common_crawl, console, json_of, needs, say
from finest.errors import NO_EVIDENCE, VerifyError
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.models.documents import Refined

INTERRUPTED = 130
"""Exit status after Ctrl-C (128 + SIGINT), as everywhere in finest."""
PLACE = "MODEL|FOLDER|REPO@REVISION"


@click.group(cls=Commands)
def model() -> None:
    """Train quality models, score texts with them, publish and check.

    \b
    finest model train --labels labels.parquet --heldout unseen.jsonl --out edu.safetensors
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
    column text, a folder of such files, those of a dataset repository on the Hub (OWNER/NAME@REVISION, or
    OWNER/NAME@REVISION:PATTERN), or with --recipe a WARC. Labels are 0 and 1, grades from 0 to 5, or the names
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
    try:
        with Steps() as steps:
            record = run(options, steps)
    except KeyboardInterrupt:
        say("\nfinest: stopped. Nothing was written.")
        sys.exit(INTERRUPTED)
    if as_json:
        click.echo(record.to_json().decode(), nl=False)
    else:
        show_record(console(), record)
        say(f"Wrote {out} and {out.parent / 'model.json'}\nScore texts:  finest model score {out} my-dataset")


@model.command()
@click.argument("where", metavar=PLACE)
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE.parquet",
    help="Write the score of each document, in the order of the sources.",
)  # fmt: skip
@click.option("--recipe", "recipe_name", metavar="NAME|FILE.toml", help="Recipe that refines sources that are WARCs.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def score(where: str, sources: tuple[str, ...], out: Path | None, recipe_name: str | None, as_json: bool) -> None:
    """Score texts with a model, and show how the scores are distributed.

    SOURCE is a finished dataset, a Parquet, JSONL or CSV file with a column text, a folder of such files, those of a
    dataset repository on the Hub (OWNER/NAME@REVISION:PATTERN), or with --recipe a WARC. A score model gives bins from
    0 to 19, a class model the name of a class.

    \b
    finest model score edu.safetensors my-dataset
    finest model score alice/edu@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c pages.jsonl.gz --out scores.parquet
    """
    settings = load_settings()
    from finest.cli.views.model import scores_dict, show_scores
    from finest.cli.views.steps import Steps
    from finest.dataset.hub_client import quiet_client
    from finest.models.documents import find_sources
    from finest.models.place import open_model
    from finest.models.score import score as run

    quiet_client()
    opened = open_model(where, settings.cache, say)
    found = find_sources(sources, _refiner(recipe_name))
    with Steps() as steps:
        scores = run(opened.model, found, out, steps)
    if as_json:
        click.echo(json_of(scores_dict(opened.model, scores)))
    else:
        show_scores(console(), opened.model, scores)
    if out:
        say(f"Wrote {out}")


@model.command()
@click.argument("where", metavar=PLACE)
@click.option("--json", "as_json", is_flag=True, help="Print model.json.")
def show(where: str, as_json: bool) -> None:
    """Show what a model was trained on, and its evaluation.

    \b
    finest model show edu.safetensors
    finest model show alice/edu@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c
    """
    settings = load_settings()
    from finest.cli.views.model import show_model, show_record
    from finest.dataset.hub_client import quiet_client
    from finest.models.place import open_model

    quiet_client()
    opened = open_model(where, settings.cache, say)
    if as_json:
        click.echo(opened.needed_record().to_json().decode(), nl=False)
    elif opened.record is None:
        show_model(console(), opened.model)
    else:
        show_record(console(), opened.record)


@model.command()
@click.argument("where", metavar=PLACE)
@click.option(
    "--heldout", multiple=True, metavar="FILE",
    help="A held-out set that is not in the model's folder or repository; it is recognised by its sha256.",
)  # fmt: skip
def check(where: str, heldout: tuple[str, ...]) -> None:
    """Compute a published evaluation again, and demand equal integers.

    The command scores the held-out sets that model.json names: in the model's folder or repository, or given with
    --heldout. The raw scores must be equal to the last integer, and the figures up to rounding. The exit status is 0 if
    they are, 7 if one differs, and 75 if a set could not be found.

    \b
    finest model check edu.safetensors
    finest model check alice/edu@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c --heldout unseen.jsonl.gz
    """
    settings = load_settings()
    from finest.cli.views.model import show_checks
    from finest.cli.views.steps import Steps
    from finest.dataset.hub_client import quiet_client
    from finest.models.check import check as run
    from finest.models.documents import find_files
    from finest.models.place import open_model

    quiet_client()
    opened = open_model(where, settings.cache, say)
    with Steps() as steps:
        checked = run(opened, find_files(heldout), settings.cache, steps)
    show_checks(console(), checked)
    wrong = [one.name for one in checked if one.differences]
    if wrong:
        raise VerifyError(f"{where}: the evaluation on {', '.join(wrong)} is not the published one")
    if not checked or any(one.found is None for one in checked):
        sys.exit(NO_EVIDENCE)


def _refiner(recipe_name: str | None) -> Refined | None:
    settings = load_settings()
    if recipe_name is None:
        return None
    from finest.models.warcs import refiner
    from finest.recipe.recipe import load_recipe

    return refiner(load_recipe(recipe_name), settings.cache, common_crawl(settings))


model.add_command(import_fasttext)
model.add_command(label)
model.add_command(publish)
