"""`finest audit --replay`: repeats the audit that evidence records, from a file or as a validator published it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from finest.cli.audits import audit_context, paths_of, warcs_of
from finest.cli.shared import say
from finest.errors import UsageError, VerifyError
from finest.formatting import counted

if TYPE_CHECKING:
    from finest.settings import Settings
    from finest.validator.models import Evidence


def replay_evidence(
    record: str, where: str | None, specs: tuple[str, ...], task_id: str | None, settings: Settings
) -> None:  # fmt: skip
    """Replay a file, or records that a validator published; raises VerifyError if one differs."""
    from finest.validator.published.batch import is_place

    if is_place(record):
        _replay_published(record, task_id, settings)
    else:
        _replay_file(Path(record), where, specs, settings)


def _replay_file(record: Path, where: str | None, specs: tuple[str, ...], settings: Settings) -> None:
    from finest.validator.evidence import is_signed, read_evidence
    from finest.validator.subject import place_of

    evidence = read_evidence(record)
    place = where or place_of(evidence.subject)
    if place is None:
        raise UsageError(
            f"{record} is the audit of a folder; name the folder too: finest audit FOLDER --replay {record}"
        )
    if evidence.signature is None:
        say("The evidence is unsigned, so nobody vouches for it")
    elif not is_signed(evidence):
        raise VerifyError(f"{record}: the signature is not by {evidence.subject.validator}")
    difference = _difference(evidence, place, specs, settings)
    if difference is not None:
        raise VerifyError(f"{record} differs from the repeated audit: {difference}")
    click.echo(
        f"same result: {evidence.verdict.replace('_', ' ')}, {len(evidence.rows)} rows, {len(evidence.windows)} windows"
    )


def _replay_published(record: str, task_id: str | None, settings: Settings) -> None:
    from finest.validator.published.batch import parse_place
    from finest.validator.published.fetch import PublishedBatch
    from finest.validator.subject import place_of

    published = PublishedBatch.open(parse_place(record), say)
    batch = published.batch
    say(f"Batch {batch.number} of validator {batch.validator}: {counted(len(batch.items), 'record')}")
    items = batch.items if task_id is None else (published.of_task(task_id),)
    different = 0
    for number, item in enumerate(items, start=1):
        evidence = published.record(item)
        place = place_of(evidence.subject)
        name = f"{number}/{len(items)} task {item.task}, {item.verdict.replace('_', ' ')}"
        difference = "it names no dataset" if place is None else _difference(evidence, place, (), settings)
        different += difference is not None
        click.echo(f"{name}: same" if difference is None else f"{name}: differs: {difference}")
    if different:
        raise VerifyError(f"{counted(different, 'record')} of {record} differ from the repeated audit")


def _difference(evidence: Evidence, place: str, specs: tuple[str, ...], settings: Settings) -> str | None:
    from finest.validator.replay import repeat

    task = evidence.subject.task
    warcs = warcs_of(specs or (() if task.packet or task.merge else paths_of(task.warcs)), settings)
    found = repeat(evidence, audit_context(place, warcs, settings))
    if found.difference is not None and found.is_incomplete:
        say("Not all of the dataset or its WARCs could be read, so a difference may not be the validator's fault")
    return found.difference
