"""The command `finest model publish`."""

from __future__ import annotations

from pathlib import Path

import click

from finest.cli.shared import say
from finest.errors import UsageError
from finest.settings import load_settings


@click.command()
@click.argument("where", metavar="MODEL|FOLDER")
@click.option(
    "--hf-repo", "repo", required=True, metavar="[OWNER/]NAME",
    help="Model repository; created if it does not exist. Without OWNER it belongs to your account.",
)  # fmt: skip
@click.option("--private", is_flag=True, help="Create the repository as a private one, which only you can read.")
@click.option(
    "--license", "licence", default="unknown", show_default=True, metavar="NAME",
    help="The Hub's name of the model's licence, such as apache-2.0.",
)  # fmt: skip
@click.option(
    "--samples", multiple=True, metavar="SOURCE",
    help="Texts of which the card shows some that the model rejects and accepts.  [default: the held-out sets]",
)  # fmt: skip
@click.option(
    "--notes", type=click.Path(path_type=Path, exists=True, dir_okay=False), metavar="FILE.md",
    help="Markdown that the card adds to the model's limits.",
)  # fmt: skip
@click.option(
    "--with-heldout", is_flag=True,
    help="Publish the texts of the held-out sets too, so that anybody can check the evaluation; mind their licence.",
)  # fmt: skip
def publish(
    where: str, repo: str, private: bool, licence: str, samples: tuple[str, ...], notes: Path | None,
    with_heldout: bool,
) -> None:  # fmt: skip
    """Publish a model to the Hub, and print the lines for a recipe.

    One commit holds the weights, model.json, the threshold curve and a card with training sets, evaluation, samples
    and limits. If the upload was stopped, run the command again: it still becomes one commit, and the same model again
    makes none. The token is HF_TOKEN, from the environment or .env, or the one that `hf auth login` stored.

    \b
    finest model publish edu.safetensors --hf-repo edu --license apache-2.0
    finest model publish edu.safetensors --hf-repo my-company/edu --samples my-dataset --with-heldout
    """
    settings = load_settings()
    from finest.cli.views.hub import Upload
    from finest.cli.views.steps import Steps
    from finest.dataset.hub_client import quiet_client
    from finest.models.documents import find_sources
    from finest.models.place import open_model
    from finest.models.publishing.card import recipe_lines
    from finest.models.publishing.publish import MAX_NOTES_BYTES, PublishOptions, not_published
    from finest.models.publishing.publish import publish as send

    quiet_client()
    opened = open_model(where, settings.cache, say)
    text = notes.read_text(encoding="utf-8", errors="replace") if notes else ""
    if len(text) > MAX_NOTES_BYTES:
        raise UsageError(f"{notes}: more than {MAX_NOTES_BYTES:,} characters")
    options = PublishOptions(licence, find_sources(samples), text, with_heldout)
    with Steps() as steps, Upload(say) as upload:
        revision = send(
            opened, repo, options, private=private, progress=steps, say=upload.say, sent=upload.show
        )  # fmt: skip
    if names := not_published(opened.record, options):
        say(f"Not published: {', '.join(names)}; others need them to check the evaluation (--with-heldout)")
    say(f"Look at it:  finest model show {revision}\nUse it in a recipe:")
    click.echo(f"{revision}\n\n{recipe_lines(opened.model, revision.repo, revision.sha)}")
