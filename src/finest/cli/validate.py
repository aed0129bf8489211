"""The commands `finest validate`, `finest audit` and `finest score`."""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.chain.options import chain_options
from finest.cli.audits import audit_context, own_pages, own_sources, warcs_of
from finest.cli.replay import replay_evidence
from finest.cli.shared import console, needs, say
from finest.errors import NO_EVIDENCE, UsageError, VerifyError
from finest.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.chain.options import ChainOptions
    from finest.chain.subnet import Chain
    from finest.settings import Settings
    from finest.tasks.client import TaskServer
    from finest.validator.context import AuditContext
    from finest.validator.loop.start import Chores
    from finest.validator.models import Evidence, Plan, Subject


@click.command()
@click.argument("where", required=False, metavar="[REPO@REVISION|FOLDER]")
@click.option(
    "--task", "task_id", metavar="ID", help="Task that the dataset was made for; needs the validator's hotkey."
)
@click.option(
    "--warc",
    "warcs",
    multiple=True,
    metavar="PATH",
    help="WARCs that the dataset must be made of, if there is no task; repeatable.",
)
@click.option(
    "--rows", type=click.IntRange(1), default=128, show_default=True, help="Maximum number of rows to judge again."
)
@click.option(
    "--windows",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="Number of random windows of the WARCs to judge.",
)
@click.option(
    "--seed",
    metavar="HEX",
    help="Seed for a repeatable sample (64 hex digits).  [default: from the chain with --task, else random]",
)
@click.option(
    "--against",
    multiple=True,
    metavar="FOLDER|REPO@REVISION",
    help="Earlier dataset that this one was made against, if there is no task: pages may be dropped for its rows; "
    "repeatable.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the evidence as JSON.")
@click.option(
    "--evidence", "out", type=click.Path(path_type=Path), metavar="FILE", help="Write the evidence to this file."
)
@click.option(
    "--replay",
    "record",
    metavar="EVIDENCE",
    help="Repeat the audit that this evidence records, and compare: a file, or OWNER/NAME@REVISION#ROOT as published "
    "by a validator (all its records, or with --task one).",
)
@chain_options
def audit(
    where: str | None, task_id: str | None, warcs: tuple[str, ...], rows: int, windows: int, seed: str | None,
    against: tuple[str, ...], as_json: bool, out: Path | None, record: str | None, chain: ChainOptions,
) -> None:  # fmt: skip
    """Check that a dataset is complete and not forged.

    The audit checks that the dataset may be submitted, that its rows are true, that none is missing and none is there
    twice. It judges rows and random windows of the WARCs again, drawn by a seed that nobody could know in advance. With
    --task it signs the verdict. Exit status: 0 pass (or --replay gave the same), 7 fail (or --replay gave something
    else), 75 no evidence.

    \b
    finest audit alice/web@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c
    finest audit alice/web@4c1f... --task 7f3a... --evidence verdict.json --wallet.name validator
    finest audit my-dataset --warc crawl/
    finest audit --replay verdict.json
    finest audit --replay victor/verdicts@5d2e...#9a0e... --task 7f3a...
    """
    settings = load_settings()
    from finest.dataset.hub_client import quiet_client

    quiet_client()
    if against and (record or task_id):
        raise UsageError("--against is for an audit without a task: a task asks for all pages but its own duplicates")
    if record is not None:
        return replay_evidence(record, where, warcs, task_id, settings)
    if where is None:
        raise UsageError("name the dataset to audit: finest audit REPO@REVISION, or use --replay FILE")
    if task_id and warcs:
        raise UsageError("--task already names the WARCs: leave out --warc")
    from finest.validator.models import Plan
    from finest.validator.seed import Draw

    plan = Plan(rows=rows, windows=windows)
    if seed is not None:
        Draw(seed, "rows")  # raises UsageError for an invalid seed
    if task_id:
        evidence = _audit_task(where, task_id, plan, seed, chain, settings)
    else:
        evidence = _audit_alone(where, warcs, plan, seed, against, settings)
    return _tell(evidence, out, as_json=as_json)


def _audited(subject: Subject, plan: Plan, context: AuditContext) -> Evidence:
    from finest.validator.audit import audit as judge

    evidence = judge(subject, plan, context)
    budget = context.budget
    say(f"{budget.used_s:.1f} CPU seconds, {budget.peak_bytes / 1e6:.0f} MB")
    return evidence


def _tell(evidence: Evidence, out: Path | None, *, as_json: bool) -> None:
    from finest.cli.views.validator import show_evidence
    from finest.validator.evidence import to_json, write_evidence

    if out is not None:
        write_evidence(out, evidence)
    if as_json:
        click.echo(to_json(evidence).decode(), nl=False)
    else:
        show_evidence(console(), evidence)
    if evidence.verdict != "pass":
        sys.exit(VerifyError.exit_code if evidence.verdict == "fail" else NO_EVIDENCE)


def _audit_alone(
    where: str, specs: tuple[str, ...], plan: Plan, seed: str | None, against: tuple[str, ...], settings: Settings
) -> Evidence:  # fmt: skip
    """Audit a dataset without a task: against its WARCs only, and without a signature."""
    from finest.dataset.open import open_dataset
    from finest.validator.models import Assignment, Subject
    from finest.validator.subject import submission_of

    warcs, packet = warcs_of(specs or own_sources(where), settings), own_pages(where)
    subject = Subject(
        submission=submission_of(where), task=Assignment(warcs=warcs.names, packet=packet),
        seed=seed or os.urandom(32).hex(),
    )  # fmt: skip
    with ExitStack() as stack:
        earlier = [stack.enter_context(open_dataset(place, say=say)) for place in against]
        return _audited(subject, plan, audit_context(where, warcs, settings, earlier))


def _audit_task(
    where: str, task_id: str, plan: Plan, seed: str | None, options: ChainOptions, settings: Settings
) -> Evidence:  # fmt: skip
    """Audit a submission that the chain and the task server know, and sign the evidence with the user's hotkey."""
    from finest.chain.subnet import Chain
    from finest.tasks.client import TaskServer
    from finest.validator.evidence import sign
    from finest.validator.subject import place_of, subject_of

    with Chain(options) as chain:
        server = TaskServer(settings.api_url, None, receiver=settings.api_hotkey, say=say)
        task = server.task(task_id)
        subject = subject_of(task, where, chain, seed)
        warcs = warcs_of(() if task.packet or task.merge else tuple(task.warcs), settings)
        context = audit_context(place_of(subject) or where, warcs, settings)
        return sign(_audited(subject, plan, context), chain.hotkey)


@click.command()
@chain_options
@click.option("--work", type=click.Path(path_type=Path), default=Path("finest-validator"), show_default=True,
              help="Folder of queue, evidence and fingerprints. Each validator needs its own.")  # fmt: skip
@click.option("--database", metavar="URL", envvar="VALIDATOR_DATABASE_URL",
              help="Database of the queue, sqlite or postgresql.  [default: WORK/validator.db]")  # fmt: skip
@click.option("--once", is_flag=True, help="Judge all datasets committed so far, set weights, then exit.")
@click.option("--parallel", type=click.IntRange(1, 64), default=1, show_default=True,
              help="Number of verdicts to work on at once; each needs a core and up to 2 GB of memory.")  # fmt: skip
@click.option(
    "--rows", type=click.IntRange(1), default=128, show_default=True, help="Maximum number of rows to judge again."
)
@click.option(
    "--windows",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="Number of random windows of the WARCs to judge.",
)
@click.option("--tier", type=click.Choice(["1", "2"]), default="1", show_default=True,
              help="Model that measures quality: 1 an n-gram model, 2 a small Llama on a GPU.")  # fmt: skip
@click.option("--device", type=click.Choice(["cpu", "cuda"]),
              help="Device for tier 2.  [default: cuda if there is a GPU]")  # fmt: skip
@click.option("--tokens", type=click.IntRange(min=1000),
              help="Training tokens for each model.  [default: 1,000,000, or 400,000 with --tier 2]")  # fmt: skip
@click.option(
    "--no-weights", is_flag=True, help="Judge and report, but set no weights: for a trial, or without a permit."
)
@click.option(
    "--auto-update", "source", metavar="URL", help="Update to newer releases of this git repository; needs --signers."
)
@click.option("--signers", type=click.Path(path_type=Path), metavar="FILE",
              help="File of keys allowed to sign releases, for --auto-update.")  # fmt: skip
@click.option(
    "--evidence-repo", metavar="[OWNER/]NAME",
    help="Publish the evidence of verdicts in this dataset repository, for others to replay; needs a Hub token.",
)  # fmt: skip
@click.option("--contest", type=click.Path(path_type=Path, file_okay=False), metavar="FOLDER",
              help="Work folder of finest contest follow; sets the weights of mechanism 1 by it.")  # fmt: skip
@click.option("--wandb", metavar="[ENTITY/]PROJECT", help="Send metrics to this project at Weights & Biases.")
def validate(
    chain: ChainOptions, work: Path, database: str | None, once: bool, parallel: int, rows: int, windows: int,
    tier: str, device: str | None, tokens: int | None, no_weights: bool, source: str | None, signers: Path | None,
    evidence_repo: str | None, contest: Path | None, wandb: str | None,
) -> None:  # fmt: skip
    """Judge the miners' datasets and set weights on the chain.

    The validator gives every dataset that miners commit a verdict, reports it to the task server, and sets the weights
    by which the subnet pays the miners. API_URL is the task server's address. The hotkey needs a seat on the subnet and
    a validator permit; a GPU is not needed, and a token for the Hub only with --evidence-repo. `finest doctor
    --validator` says what is missing.

    You can stop the validator at any time. The same command continues, and also judges what miners committed
    meanwhile. Exit status: 0 after --once, 130 after Ctrl-C, 143 after SIGTERM, 78 if only a person can help.

    \b
    finest validate --wallet.name validator --wallet.hotkey default
    finest validate --wallet.name validator --evidence-repo verdicts
    finest validate --once --no-weights --subtensor.network test
    finest validate --parallel 8 --database postgresql://finest@localhost/validator
    """
    settings = load_settings()
    from finest.cli.views.miner import Screen
    from finest.dataset.hub_client import quiet_client
    from finest.validator.models import Plan

    with needs("validator"):
        from finest.validator.loop.options import ValidateOptions
        from finest.validator.loop.start import validate as run
        from finest.validator.loop.updating import UpdateOptions
    from finest.validator.quality.tier import tier_of
    from finest.validator.verdict_quality import VERDICT_TOKENS

    if (source is None) != (signers is None):
        raise click.UsageError("--auto-update needs --signers, and --signers needs --auto-update")
    quiet_client()
    model = tier_of(int(tier), device)
    options = ValidateOptions(
        work, Plan(rows=rows, windows=windows), tokens or (VERDICT_TOKENS if tier == "1" else model.tokens), int(tier),
        device, parallel, sets_weights=not no_weights, wandb=wandb,
        update=UpdateOptions(source, signers) if source and signers else None, evidence_repo=evidence_repo,
    )  # fmt: skip
    chores = _chores(contest, settings, sets_weights=not no_weights)
    sys.exit(run(options, database, chain, settings, Screen().say, once=once, chores=chores))


def _chores(contest: Path | None, settings: Settings, *, sets_weights: bool) -> Chores:
    """Return the chores of the recipe competition: fetch the references, and set the weights of mechanism 1."""

    def chores(chain: Chain, server: TaskServer, say: Callable[[str], None]) -> dict[str, Callable[[], float]]:
        from finest.contest.chore import RecipeWeights
        from finest.contest.follow import STANDING_NAME
        from finest.contest.named import NamedRecipes

        found = {"recipes": NamedRecipes(server, settings.cache, say).round}
        if contest is not None and sets_weights:
            found["recipe weights"] = RecipeWeights(contest / STANDING_NAME, chain, say).round
        return found

    return chores


@click.command()
@click.argument("records", nargs=-1, type=click.Path(path_type=Path), metavar="[EVIDENCE]...")
@click.option("--work", type=click.Path(path_type=Path), default=Path("finest-validator"), show_default=True,
              help="A validator's work folder; its miners' scores are shown if no EVIDENCE is named.")  # fmt: skip
@click.option("--database", metavar="URL", envvar="VALIDATOR_DATABASE_URL",
              help="Database of the validator's queue.  [default: WORK/validator.db]")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def score(records: tuple[Path, ...], work: Path, database: str | None, as_json: bool) -> None:
    """Show the scores of datasets or the weights of miners.

    With EVIDENCE the command shows each dataset's score, factor by factor, calculated again from the numbers in the
    evidence; docs/concepts/scoring.md has the formula. Without EVIDENCE it shows the reliability and the weight of each
    miner in a validator's work folder.

    \b
    finest score verdict.json
    finest score --work finest-validator
    """
    from finest.cli.views.validator import as_scores, show_scores, show_standings

    if records:
        from finest.validator.evidence import read_evidence

        found = [(str(path), read_evidence(path)) for path in records]
        if as_json:
            click.echo(json.dumps(as_scores(found), indent=1))
        else:
            show_scores(console(), found)
        return
    with needs("validator"):
        from finest.validator.loop.queue import Queue
    from finest.validator.loop.weights import MAX_AGE_BLOCKS, hotkey_scores, of_current_registrations

    if database is None and not (work / "validator.db").is_file():
        raise UsageError(
            f"{work} is not a validator's work folder; name one with --work, or name evidence: finest score FILE"
        )
    queue = Queue.open(database or f"sqlite:///{work / 'validator.db'}")
    try:
        block = queue.last_block()
        pasts, counts = queue.past(block - MAX_AGE_BLOCKS), queue.counts()
    finally:
        queue.close()
    rows = hotkey_scores(of_current_registrations(pasts), block)
    if as_json:
        hotkeys = {
            hotkey: asdict(one) | {"reliability": one.reliability, "weight": one.weight} for hotkey, one in rows.items()
        }
        click.echo(json.dumps({"block": block, "hotkeys": hotkeys, **asdict(counts)}, indent=1))
    else:
        show_standings(console(), rows, counts, block)
