"""The audit: checks whether a submission is real. Cheap checks come first, and only an admitted dataset is downloaded.

    admission -> soundness (rows) -> completeness (windows) -> uniqueness -> verdict

A fault of the miner is a fail. A fault on the validator's side gives no evidence, and the audit is repeated later.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import finest
from finest.errors import VerifyError
from finest.formatting import counted
from finest.pipeline.witnesses import check_earlier
from finest.recipe.recipe import installed_libraries
from finest.tasks.reference import reference_at
from finest.validator.admission import (
    check_assignment,
    check_dataset,
    check_merged,
    declared,
    known_recipes,
    open_submission,
)
from finest.validator.completeness import check_windows
from finest.validator.context import VALIDATOR_ERRORS
from finest.validator.evidence import conclude
from finest.validator.languages import recipes_for
from finest.validator.merge import MergedRows, check_compared, check_duplicates
from finest.validator.models import (
    MAX_WORDS,
    Check,
    Declared,
    Evidence,
    Outcome,
    Plan,
    RowFinding,
    Subject,
    Uniqueness,
    Versions,
    WindowFinding,
)
from finest.validator.scored import check_models, scored_recipe
from finest.validator.soundness import check_rows
from finest.validator.uncontaminated import check_index
from finest.validator.uniqueness import check_unique

if TYPE_CHECKING:
    from finest.dataset.merge_inputs import MergeLease
    from finest.dataset.open import Dataset
    from finest.recipe.recipe import Recipe
    from finest.validator.context import AuditContext


class _Decided(Exception):
    """The audit is decided; further checks would not change the verdict."""


@dataclass(slots=True)
class _Draft:
    """The findings of an audit so far."""

    admission: list[Check] = field(default_factory=list)
    declared: Declared | None = None
    rows: list[RowFinding] = field(default_factory=list)
    windows: list[WindowFinding] = field(default_factory=list)
    uniqueness: Uniqueness | None = None

    def admit(self, checks: Iterable[Check]) -> None:
        """Add checks, and end the audit at the first one that does not pass."""
        for check in checks:
            self.admission.append(check)
            if check.outcome != "pass":
                raise _Decided

    def conclude(self, plan: Plan) -> tuple[Outcome, str]:
        rows = min(plan.rows, self.declared.rows) if self.declared else 0
        known = self.declared is not None and self.declared.known
        return conclude(self.admission, self.rows, self.windows, rows_planned=rows, known=known)


def audit(subject: Subject, plan: Plan, context: AuditContext) -> Evidence:
    """Audit a submission; the same subject and plan give the same evidence wherever its data can be read.

    Never raises an error for what a miner published or for a failing network; the verdict reports these. The evidence
    is not signed yet and has no quality figures.
    """
    draft = _Draft()
    try:
        _audit(subject, plan, context, draft)
    except _Decided:
        pass
    except VerifyError as error:
        draft.admission.append(_stopped("dataset", "fail", error))
    except VALIDATOR_ERRORS as error:
        draft.admission.append(_stopped("audit", "no_evidence", error))
    verdict, why = draft.conclude(plan)
    return Evidence(
        subject=subject, plan=plan, versions=versions(), admission=tuple(draft.admission), declared=draft.declared,
        rows=tuple(draft.rows), windows=tuple(draft.windows), uniqueness=draft.uniqueness, verdict=verdict, why=why,
    )  # fmt: skip


def inadmissible(subject: Subject, plan: Plan, check: Check) -> Evidence:
    """Return the evidence of a submission that failed a check before its dataset could be opened."""
    verdict, why = conclude([check], (), (), rows_planned=plan.rows, known=False)
    return Evidence(subject=subject, plan=plan, versions=versions(), admission=(check,), verdict=verdict, why=why)


def versions() -> Versions:
    """Return the versions of this software, its libraries and its recipes."""
    return Versions(
        finest=finest.__version__, python=platform.python_version(), libraries=installed_libraries(),
        recipes={recipe.name: found for found, recipe in known_recipes().items()},
    )  # fmt: skip


def _audit(subject: Subject, plan: Plan, context: AuditContext, draft: _Draft) -> None:
    draft.admit(check_assignment(subject))
    dataset, opened = open_submission(context)
    draft.admit([opened])
    assert dataset is not None
    with dataset:
        check_earlier(dataset, context.earlier)
        dataset.bound_reading()
        known = recipes_for(subject.task, dataset.manifest, context.cache)
        recipe = known.get(dataset.manifest.recipe_hash) or scored_recipe(dataset.manifest, known)
        draft.declared = declared(dataset.manifest, recipe)
        if subject.task.merge is not None:
            _audit_merge(dataset, recipe, subject, subject.task.merge, plan, context, draft)
            return
        draft.admit(check_dataset(dataset, subject, recipe, context))
        draft.admit([check_models(dataset.manifest, context, known.get(dataset.manifest.recipe_hash))])
        draft.admit(check_index(dataset.manifest, context))
        context.budget.check()
        _judge(dataset, recipe, subject, plan, context, draft)


def _audit_merge(
    dataset: Dataset, recipe: Recipe | None, subject: Subject, merge: MergeLease, plan: Plan, context: AuditContext,
    draft: _Draft,
) -> None:  # fmt: skip
    draft.admit(check_merged(dataset, subject, recipe))
    assert recipe is not None  # else the check of the recipe gave no evidence
    context.say(f"Comparing {counted(dataset.manifest.rows, 'row')} with those of {len(merge.inputs)} datasets")
    with closing(MergedRows(dataset, merge, recipe, context)) as rows:
        draft.admit(rows.checks())
        draft.rows = rows.rows(subject.seed, plan.rows)
        draft.windows = rows.windows(subject.seed, plan.rows)
    draft.admit([check_compared(draft.windows)])
    context.say("Looking for duplicates")
    draft.uniqueness, _ = check_unique(dataset, recipe, subject.seed, plan.unique_rows, context)
    draft.admit([check_duplicates(draft.uniqueness)])


def _judge(
    dataset: Dataset, recipe: Recipe | None, subject: Subject, plan: Plan, context: AuditContext, draft: _Draft
) -> None:  # fmt: skip
    context.say(f"Judging up to {plan.rows} of {dataset.manifest.rows} rows again from their WARC records")
    draft.rows = check_rows(dataset, recipe, subject.seed, plan.rows, context)
    _end_if_decided(draft, plan)
    reference = recipe or reference_at(context.cache, subject.task.leased_block)
    packet = subject.task.packet
    of = counted(packet.pages, "page") if packet else counted(len(subject.task.warcs), "WARC")
    context.say(f"Judging {plan.windows} windows of {of}")
    draft.windows = check_windows(dataset, reference, subject.seed, plan, context, known=recipe is not None)
    _end_if_decided(draft, plan)
    context.say("Looking for duplicates")
    found, fingerprints = check_unique(dataset, reference, subject.seed, plan.unique_rows, context)
    copies = tuple(context.index.matches(subject, fingerprints)[:16]) if context.index else ()
    draft.uniqueness = found.model_copy(update={"copies": copies})
    if context.index and draft.conclude(plan)[0] != "no_evidence":
        context.index.add(subject, fingerprints)


def _end_if_decided(draft: _Draft, plan: Plan) -> None:
    if draft.conclude(plan)[0] == "fail":
        raise _Decided


def _stopped(name: str, outcome: Outcome, error: Exception) -> Check:
    return Check(name=name, outcome=outcome, detail=str(error)[:MAX_WORDS])
