"""The command line. Each command is a thin shell over the Python function of the same verb."""

from __future__ import annotations

import atexit
import gc
import os
import sys
from pathlib import Path

import click

import finest
from finest.cli import (
    checks,
    cluster,
    contest,
    decontaminate,
    demo,
    devnet,
    doctor,
    hub,
    languages,
    merge,
    mine,
    model,
    plan,
    quality,
    recipes,
    refinery,
    select,
    serve,
    tasks,
    validate,
)
from finest.cli.groups import Commands, as_dashes, in_documented_spelling
from finest.cli.shared import say
from finest.errors import FinestError, RunError, plain_os_error
from finest.masking import mask_logs, message
from finest.process import guard_standard_output, hide_memory, leave_pandas_out, open_standard_streams
from finest.system import unserved

INTERRUPTED = 130
"""Exit status after Ctrl-C, following the convention of shells (128 + SIGINT)."""
_HOLD_SECRETS = frozenset({
    "mine", "validate", "serve", "publish", "open", "select", "merge", "decontaminate", "verify", "audit", "quality",
    "model", "contest",
})  # fmt: skip
"""Commands that use a key, a token or a password. Most also start processes that read untrusted files."""


SECTIONS = {
    "Refine a crawl": (
        plan.plan, refinery.refine, refinery.attach, refinery.status, refinery.report, recipes.recipe, select.select,
        merge.merge, decontaminate.decontaminate, languages.languages, hub.publish,
    ),
    "Score texts": (model.model,),
    "Work for the subnet": (mine.mine, mine.dashboard, validate.validate, contest.contest),
    "Run a part of the subnet": (tasks.tasks, serve.serve, cluster.cluster, devnet.devnet, demo.demo),
    "Check": (
        doctor.doctor, checks.why, checks.verify, hub.open_command, validate.audit, quality.quality, validate.score,
    ),
}  # fmt: skip
"""All commands, by purpose, in the order in which a newcomer needs them."""


@click.group(
    cls=Commands, sections=SECTIONS,
    context_settings={
        "help_option_names": ["-h", "--help"], "max_content_width": 120, "token_normalize_func": as_dashes,
    },
)  # fmt: skip
@click.version_option(finest.__version__, prog_name="finest")
@click.pass_context
def cli(context: click.Context) -> None:
    """Finest Data turns WARC files into a FineWeb-quality dataset that anybody can check.

    \b
    finest refine crawl/*.warc.gz --out my-dataset   refine WARC files
    finest report my-dataset                         see what the recipe did
    finest verify my-dataset                         check it against its sources
    finest mine --hf-repo my-company/web             work for the subnet

    \b
    Type flags with dashes, underscores or dots: --hf_repo is --hf-repo.
    """
    if context.invoked_subcommand in _HOLD_SECRETS:
        hide_memory()


def main() -> None:
    """Run the command line: report a user's mistake in one line, and keep finished work on Ctrl-C."""
    open_standard_streams()
    guard_standard_output()
    mask_logs()
    leave_pandas_out()
    atexit.register(gc.freeze)  # saves 0.2 s at exit: Python would search all loaded objects for garbage
    try:
        cli(standalone_mode=False)
    except click.NoSuchOption as error:
        in_documented_spelling(error).show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except FinestError as error:
        say(f"finest: {message(error)}")
        sys.exit(error.exit_code)
    except ImportError as error:
        if error.name is None or error.name.startswith("finest"):
            raise  # a bug of finest
        say(f"finest: {_not_imported(error)}")
        sys.exit(RunError.exit_code)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        say(f"finest: {plain_os_error(error, Path.cwd())}")
        sys.exit(RunError.exit_code)
    except (click.Abort, KeyboardInterrupt):
        say("\nfinest: stopped. Finished slices are kept; run the same command again to continue.")
        sys.exit(INTERRUPTED)


def _not_imported(error: ImportError) -> str:
    """Explain that a package is missing, or that its compiled part does not load on this system."""
    said = "is not installed" if isinstance(error, ModuleNotFoundError) else f"cannot be loaded ({error.msg})"
    return f"{error.name} {said}; {unserved() or 'reinstall with: pip install --force-reinstall finest-data'}"
