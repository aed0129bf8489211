"""The command `finest tasks publish-index`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from finest.cli.shared import needs, say, task_store
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.dataset.hub import Revision
    from finest.dataset.index import IndexEntry
    from finest.tasks.store import Store


@click.command("publish-index")
@click.option(
    "--hf-repo", "repo", required=True, metavar="[OWNER/]NAME",
    help="Dataset repository; created if it does not exist. Without OWNER it belongs to your account.",
)  # fmt: skip
@click.option("--private", is_flag=True, help="Create the repository as a private one, which only you can read.")
def publish_index(repo: str, private: bool) -> None:
    """Publish an index of the accepted datasets to the Hub.

    A dataset is accepted when more validators passed its task than failed it. The index names each one at its pinned
    revision with its Merkle root; a dataset that is gone, or has another root, is named and left out. The command makes
    one commit, and none if nothing has changed, and prints the revision: run it from a timer. The database is
    DATABASE_URL and the token HF_TOKEN, from the environment or .env.

    \b
    finest tasks publish-index --hf-repo my-company/finest-index
    finest open my-company/finest-index --latest --crawl CC-MAIN-2025-26
    """
    with task_store(load_settings()) as store:
        _, revision = published_index(store, repo, private=private)
    say(f"Open it:  finest open {revision}")
    click.echo(str(revision))


def published_index(store: Store, repo: str, *, private: bool = False) -> tuple[list[IndexEntry], Revision]:
    """Publish the index of a server's accepted datasets; return its entries and where it is."""
    with needs("server"):
        from finest.tasks.index import earlier_entries, entries_of
    from finest.cli.views.index import checked
    from finest.cli.views.steps import Steps
    from finest.dataset.hub import Hub
    from finest.dataset.hub_client import quiet_client
    from finest.dataset.publish_index import publish_index as send

    quiet_client()
    tasks, hub = store.accepted(), Hub(say=say)
    name = hub.full_name(repo)
    with Steps() as steps:
        entries = entries_of(tasks, earlier_entries(hub, name), say, lambda done, of: checked(steps, done, of))
    revision = send(entries, hub, name, private=private, say=say)
    say(f"{len(entries):,} of {len(tasks):,} accepted datasets are in the index")
    return entries, revision
