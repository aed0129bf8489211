"""Admission checks: whether a submission can be audited at all. They are cheap, and none reads the text of a row.

commitment   the line is valid and names this repository and revision
lease        the hotkey holds the task and finished it with this line
timing       the commitment was made between the start and the end of the lease
revision     the pinned revision exists
manifest     it is readable and consistent, and matches the Hub's sha256s and the schema
size         no more pages than such WARCs can hold
sources      its sources are WARCs of the task, or those of the packet's pages
layout       no more files and row groups than its rows and bytes explain
tokens       its rows state as many tokens as the manifest, and no row fewer than none
root         the root over its rows equals the manifest's and matches the line's
pages        it has a verdict on each page of the task's packet and on no other, and no row of another page
selection    the dataset of a task has all rows; every row of a selection audited without a task satisfies its rules
recipe       the one that the task asks for, if any; else whether this version has it, which passes in either case
models       the quality models that the recipe names can be fetched (finest.validator.scored)
index        the evaluation index that the recipe names, if any, can be fetched (finest.validator.uncontaminated)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finest.chain.payload import Commitment, decode
from finest.dataset.chosen import check_chosen
from finest.dataset.limits import check_files_few
from finest.dataset.open import open_dataset
from finest.errors import HubNotFound, UsageError, VerifyError
from finest.recipe.installed import needs
from finest.recipe.recipe import SHIPPED, Recipe, load_recipe
from finest.tasks.reference import named_recipes
from finest.validator.merge import check_inputs
from finest.validator.models import MAX_WORDS, Check, Declared
from finest.validator.packet import PacketPages

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from finest.dataset.manifest import Manifest
    from finest.dataset.open import Dataset
    from finest.dataset.page_choice import PageChoice
    from finest.validator.context import AuditContext
    from finest.validator.models import Assignment, Outcome, Subject, Submission

MAX_PAGES_A_WARC = 500_000
"""Limit of pages per WARC. A WARC of Common Crawl has 20,000 to 60,000."""
CLOSED_STATES = ("released", "expired")


def check_assignment(subject: Subject) -> Iterator[Check]:
    """Run the checks that need only data from the chain and the task server."""
    submission, task = subject.submission, subject.task
    if submission.line is not None:
        yield _check_commitment(submission)
    if task.id is not None:
        yield _check_lease(submission, task)
        yield _check_timing(submission, task)


def check_dataset(
    dataset: Dataset, subject: Subject, recipe: Recipe | None, context: AuditContext
) -> Iterator[Check]:  # fmt: skip
    """Run the checks of the published dataset that need only its manifest, file footers and a few columns.

    Puts the pages of a packet into `context`, once the dataset is known to answer them.
    """
    manifest = dataset.manifest
    packet, warcs = subject.task.packet, len(subject.task.warcs)
    most = MAX_PAGES_A_WARC * warcs
    few = max(manifest.pages, manifest.rows) <= most
    yield _check("size", few, f"{manifest.pages} pages of {warcs} WARCs, at most {most} are read")
    if packet is None:
        yield _check_sources(dataset, subject.task.warcs, warcs)
    yield _check_layout(dataset)
    yield _check_tokens(dataset)
    yield _check_root(dataset, subject.submission)
    if packet is not None:
        pages, check = _check_pages(dataset, packet)
        yield check
        context.packet = PacketPages(pages, context.warcs)
        yield _check_sources(dataset, context.packet.names, packet.pages)
    elif manifest.chosen is not None:
        yield _check("pages", False, f"only pages with {manifest.chosen.where}, and the task is of whole WARCs")
    if manifest.selections:
        yield _check_selection(dataset, subject, context.cache)
    yield from _check_asked_recipe(manifest, recipe, subject.task.recipe_hash)
    name = str(manifest.recipe.get("name", ""))
    kind = "this version has it" if recipe else "not of this version: rows are held against their pages' visible text"
    if packages := needs(manifest.recipe):
        kind = f"{kind}; {packages}"
    detail = f"{name[:64]}, hash {manifest.recipe_hash[:12]}: {kind}"
    yield Check(name="recipe", outcome="pass", detail=detail[:MAX_WORDS])


def check_merged(dataset: Dataset, subject: Subject, recipe: Recipe | None) -> Iterator[Check]:
    """Run the checks of a merged dataset that need only its manifest, file footers and a few columns."""
    manifest, merge = dataset.manifest, subject.task.merge
    assert merge is not None
    most = sum(one.rows for one in merge.inputs)
    yield _check("size", manifest.rows <= most, f"{manifest.rows} rows, the datasets to merge have {most}")
    yield check_inputs(dataset, merge)
    yield _check("selection", not manifest.selections, "the task wants all rows, this is a selection of them")
    yield _check_layout(dataset)
    yield _check_tokens(dataset)
    yield _check_root(dataset, subject.submission)
    asked = subject.task.recipe_hash
    yield _check("recipe", manifest.recipe_hash == asked, f"the task is of recipe {(asked or '')[:12]}")
    if recipe is None:
        yield _check("recipe", None, "this version does not have the recipe of the datasets")


def _check_sources(dataset: Dataset, warcs: Sequence[str], most: int) -> Check:
    """Check that all sources are WARCs of the task; files with more sources than the task can have are not read."""
    count = dataset.manifest.source_totals.sources
    if dataset.manifest.source_files and count > most:
        return _check("sources", False, f"{count} sources, and the task has {most} at most")
    try:
        strange = sorted({source.name for source in dataset.sources()} - set(warcs))
    except VerifyError as error:
        return _check("sources", False, str(error))
    return _check("sources", not strange, f"{strange[0] if strange else ''} is no WARC of the task")


def _check_pages(dataset: Dataset, packet: PageChoice) -> tuple[list[tuple[str, int, int]], Check]:
    """Check that the dataset answers the pages of the packet, all of them and no others; returns them."""
    chosen = dataset.manifest.chosen
    if chosen != packet:
        stated = f"{chosen.pages} pages with root {chosen.root}, chosen by {chosen.where}" if chosen else "whole WARCs"
        words = f"the task is of {packet.pages} pages with root {packet.root}, the dataset is of {stated}"
        return [], _check("pages", False, words)
    try:
        return check_chosen(dataset), Check(name="pages", outcome="pass")
    except VerifyError as error:
        return [], _check("pages", False, str(error))


def _check_asked_recipe(manifest: Manifest, recipe: Recipe | None, asked: str | None) -> Iterator[Check]:
    """Check that a task that asks for a recipe was done with it; scores may be added, which change no row.

    A dataset made with another recipe would be paid at the price of work that nobody did. If this version does not have
    the recipe, it can compare the dataset with no reference, and there is no evidence.
    """
    if asked is None:
        return
    if recipe is None and manifest.recipe_hash == asked:
        yield _check("recipe", None, f"the task asks for recipe {asked[:12]}, which this version does not have")
    elif asked not in (manifest.recipe_hash, recipe.without_models().hash if recipe else ""):
        yield _check("recipe", False, f"the task asks for recipe {asked[:12]}, this is {manifest.recipe_hash[:12]}")


def open_submission(context: AuditContext) -> tuple[Dataset | None, Check]:
    """Open the submitted dataset; returns it, or None, with the outcome of the check.

    A revision that does not exist on the Hub fails the check. The commitment promises it, and a miner that could remove
    a dataset before its audit would never be caught. If the Hub is unreachable (HubError), there is no evidence.
    """
    try:
        dataset = open_dataset(context.place, token=context.token, say=context.say)
    except HubNotFound as error:
        return None, _check("revision", False, str(error))
    except VerifyError as error:
        return None, _check("manifest", False, str(error))
    return dataset, Check(name="manifest", outcome="pass")


def known_recipes(cache: Path | None = None) -> dict[str, Recipe]:
    """Return the recipes of this version by hash, and those of the task server's list that are in the cache.

    Recipes that take languages are not among them: there is one for each choice of languages
    (`finest.validator.languages`).
    Raises RecipeError if a library is missing.
    """
    ours = {recipe.hash: recipe for recipe in map(load_recipe, SHIPPED) if not recipe.language.table}
    return ours | (named_recipes(cache) if cache else {})


def declared(manifest: Manifest, recipe: Recipe | None) -> Declared:
    """Return the manifest's statements about the dataset."""
    return Declared(
        recipe=str(manifest.recipe.get("name", ""))[:64], recipe_hash=manifest.recipe_hash, known=recipe is not None,
        root=manifest.root, rows=manifest.rows, pages=manifest.pages, token_count=manifest.token_count,
        size_bytes=manifest.size_bytes,
    )  # fmt: skip


def committed(submission: Submission) -> Commitment | None:
    """Decode the commitment in the submission's line; None if the line is invalid."""
    return decode(submission.line)


def _check_commitment(submission: Submission) -> Check:
    found = committed(submission)
    if found is None:
        return _check("commitment", False, f"{submission.line!r} is no commitment")
    same = (found.repo, found.revision) == (submission.repo, submission.revision)
    return _check("commitment", same, f"the line stands for {found.repo}@{found.revision}")


def _check_lease(submission: Submission, task: Assignment) -> Check:
    if task.hotkey != submission.hotkey:
        return _check("lease", False, f"task {task.id} is {task.hotkey}'s")
    if task.state in CLOSED_STATES:
        return _check("lease", False, f"task {task.id} was {task.state}")
    other = task.commitment not in (None, submission.line)
    return _check("lease", not other, f"task {task.id} was finished with another line: {task.commitment}")


def _check_timing(submission: Submission, task: Assignment) -> Check:
    """Check that the commitment was made during the lease, including its first and last block."""
    block = submission.committed_block
    if block is None or task.leased_block is None or task.expires_block is None:
        return _check("timing", None, "the block of the commitment or of the lease is not known")
    fits = task.leased_block <= block <= task.expires_block
    lease = f"the lease ran from {task.leased_block} to {task.expires_block}"
    return _check("timing", fits, f"committed in block {block}, {lease}")


def _check_layout(dataset: Dataset) -> Check:
    """Check that the dataset has no more files and row groups than its size explains; each costs readers requests."""
    try:
        check_files_few(dataset.manifest)
        dataset.row_groups()
        dataset.verdict_groups()
    except VerifyError as error:
        return _check("layout", False, str(error))
    return Check(name="layout", outcome="pass")


def _check_tokens(dataset: Dataset) -> Check:
    """Check the sum of the rows' token counts, from which the pay is computed."""
    total = least = 0
    for file in dataset.manifest.shards:
        stated = dataset.row_columns("token_count", files=[file])["token_count"].to_numpy()
        total, least = total + int(stated.sum()), int(stated.min(initial=least))
    if least < 0:
        return _check("tokens", False, f"a row states {least} tokens")
    same = total == dataset.manifest.token_count
    return _check("tokens", same, f"the manifest states {dataset.manifest.token_count} tokens, its rows {total}")


def _check_root(dataset: Dataset, submission: Submission) -> Check:
    found, root = committed(submission), dataset.manifest.root
    if found is not None and not found.covers(root):
        return _check("root", False, f"the manifest's root is {root}, the line's begins with {found.root}")
    try:
        dataset.check_root()
    except VerifyError as error:
        return _check("root", False, str(error))
    return Check(name="root", outcome="pass")


def _check_selection(dataset: Dataset, subject: Subject, cache: Path) -> Check:
    """Check that the dataset is no selection if it was made for a task, else that every row satisfies its rules.

    A task wants all rows of its WARCs. A miner that chose the rule could leave out whatever is expensive or poor.
    An index that a rule needs is read from the cache; without it there is no evidence.
    """
    if subject.task.id is not None:
        rule = str(dataset.manifest.selections[-1].rule)
        return _check("selection", False, f"the task wants all rows, this is a selection of them: {rule}")
    try:
        dataset.check_selections(cache)
    except VerifyError as error:
        return _check("selection", False, str(error))
    except UsageError as error:
        return _check("selection", None, str(error))
    return Check(name="selection", outcome="pass")


def _check(name: str, holds: bool | None, otherwise: str) -> Check:
    outcome: Outcome = "no_evidence" if holds is None else "pass" if holds else "fail"
    detail = "" if holds else otherwise[:MAX_WORDS]
    return Check(name=name, outcome=outcome, detail=detail)
