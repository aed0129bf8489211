"""The command line: every command, thin. Each is a shell over the Python function of the same verb."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from io import TextIOWrapper
from pathlib import Path

import click

import finest
from finest.cli import cluster, devnet, doctor, hub, mine, quality, refinery, serve, tasks, validate
from finest.cli.shared import say
from finest.errors import FinestError, RunError, plain_os_error
from finest.masking import mask_logs, message
from finest.process import hide_memory
from finest.system import unserved

INTERRUPTED = 130
"""Exit status after Ctrl-C, as shells have it (128 + SIGINT)."""
_HOLD_SECRETS = frozenset({"mine", "validate", "serve", "publish", "open", "verify", "audit", "quality"})
"""Commands that hold a key, a token or a password, most of which also start processes that read strangers' files."""


class Commands(click.Group):
    """Shows commands in the order in which a person meets them, and answers a person's mistake in one line."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(self.commands)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(finest.__version__, prog_name="finest")
@click.pass_context
def cli(context: click.Context) -> None:
    """Finest Data: WARC in, proven FineWeb-quality dataset out.

    \b
    finest refine crawl/*.warc.gz --out my-dataset     refine WARC files
    finest report my-dataset                           see what the recipe did
    finest verify my-dataset                           check the dataset against its sources
    finest mine --hf_repo my-company/web               work for the subnet
    """
    if context.invoked_subcommand in _HOLD_SECRETS:
        hide_memory()


for _room in (refinery, hub, mine, doctor, validate, quality, tasks, serve, cluster, devnet):
    for _command in _room.COMMANDS:
        cli.add_command(_command)


def main() -> None:
    """Entry point: a person's mistake is one line, Ctrl-C loses nothing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no such letter is no reason to fail
    mask_logs()
    atexit.register(gc.freeze)  # Python would look through all that is loaded (0.2 s) before the kernel takes it back
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except FinestError as error:
        say(f"finest: {message(error)}")
        sys.exit(error.exit_code)
    except ImportError as error:
        if error.name is None or error.name.startswith("finest"):
            raise  # a mistake of ours
        say(f"finest: {_not_imported(error)}")
        sys.exit(RunError.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        say(f"finest: {plain_os_error(error, Path.cwd())}")
        sys.exit(RunError.exit_code)
    except (click.Abort, KeyboardInterrupt):
        say("\nfinest: stopped. Finished slices are kept: the same command goes on.")
        sys.exit(INTERRUPTED)


def _not_imported(error: ImportError) -> str:
    """A package that is missing, or whose compiled part does not load on this system."""
    said = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be loaded ({error.msg})"
    return f"{error.name} {said}; {unserved() or 'reinstall with: pip install --force-reinstall finest-data'}"
