"""The audit: is a submission real? Cheap checks first; nothing is downloaded before it is admitted.

    admission -> soundness (rows) -> completeness (windows) -> uniqueness -> verdict

What the miner did wrong is a fail; whatever goes wrong on our side is no evidence, and the audit is made again later.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import finest
from finest.errors import VerifyError
from finest.formatting import counted
from finest.recipe.recipe import installed_libraries, load_recipe
from finest.validator.admission import check_dataset, check_told, declared, known_recipes, open_place
from finest.validator.completeness import check_windows
from finest.validator.context import OURS
from finest.validator.evidence import conclude
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
from finest.validator.score import REFERENCE_RECIPE
from finest.validator.soundness import check_rows
from finest.validator.uniqueness import check_unique

if TYPE_CHECKING:
    from finest.dataset.open import Dataset
    from finest.recipe.recipe import Recipe
    from finest.validator.context import Means


class _Over(Exception):
    """The audit is decided: what follows would cost without changing the verdict."""


@dataclass(slots=True)
class _Draft:
    """The findings so far."""

    admission: list[Check] = field(default_factory=list)
    declared: Declared | None = None
    rows: list[RowFinding] = field(default_factory=list)
    windows: list[WindowFinding] = field(default_factory=list)
    uniqueness: Uniqueness | None = None

    def admit(self, checks: Iterable[Check]) -> None:
        """Take in checks up to the first that does not pass."""
        for check in checks:
            self.admission.append(check)
            if check.outcome != "pass":
                raise _Over

    def conclude(self, plan: Plan) -> tuple[Outcome, str]:
        rows = min(plan.rows, self.declared.rows) if self.declared else 0
        known = self.declared is not None and self.declared.known
        return conclude(self.admission, self.rows, self.windows, rows_planned=rows, known=known)


def audit(subject: Subject, plan: Plan, means: Means) -> Evidence:
    """Audit a submission; the same subject and plan give the same evidence wherever its data can be read.

    Never raises for what a miner published, nor for a network that fails: that is the verdict. The evidence is not
    signed yet, and has no figures of quality.
    """
    draft = _Draft()
    try:
        _audit(subject, plan, means, draft)
    except _Over:
        pass
    except VerifyError as error:
        draft.admission.append(_stopped("dataset", "fail", error))
    except OURS as error:
        draft.admission.append(_stopped("audit", "no_evidence", error))
    verdict, why = draft.conclude(plan)
    return Evidence(
        subject=subject, plan=plan, versions=versions(), admission=tuple(draft.admission), declared=draft.declared,
        rows=tuple(draft.rows), windows=tuple(draft.windows), uniqueness=draft.uniqueness, verdict=verdict, why=why,
    )  # fmt: skip


def inadmissible(subject: Subject, plan: Plan, check: Check) -> Evidence:
    """The evidence of what failed before there was anything to open."""
    verdict, why = conclude([check], (), (), rows_planned=plan.rows, known=False)
    return Evidence(subject=subject, plan=plan, versions=versions(), admission=(check,), verdict=verdict, why=why)


def versions() -> Versions:
    """What judges here."""
    return Versions(
        finest=finest.__version__, python=platform.python_version(), libraries=installed_libraries(),
        recipes={recipe.name: found for found, recipe in known_recipes().items()},
    )  # fmt: skip


def _audit(subject: Subject, plan: Plan, means: Means, draft: _Draft) -> None:
    draft.admit(check_told(subject))
    dataset, opened = open_place(means)
    draft.admit([opened])
    assert dataset is not None
    with dataset:
        dataset.bound_reading()
        recipe = known_recipes().get(dataset.manifest.recipe_hash)
        draft.declared = declared(dataset.manifest, recipe)
        draft.admit(check_dataset(dataset, subject, recipe))
        means.budget.check()
        _judge(dataset, recipe, subject, plan, means, draft)


def _judge(
    dataset: Dataset, recipe: Recipe | None, subject: Subject, plan: Plan, means: Means, draft: _Draft
) -> None:  # fmt: skip
    means.say(f"Judging up to {plan.rows} of {dataset.manifest.rows} rows again from their WARC records")
    draft.rows = check_rows(dataset, recipe, subject.seed, plan.rows, means)
    _end_if_decided(draft, plan)
    reference = recipe or load_recipe(REFERENCE_RECIPE)
    means.say(f"Judging {plan.windows} windows of {counted(len(subject.task.warcs), 'WARC')}")
    draft.windows = check_windows(dataset, reference, subject.seed, plan, means, known=recipe is not None)
    _end_if_decided(draft, plan)
    means.say("Looking for duplicates")
    found, fingerprints = check_unique(dataset, reference, subject.seed, plan.unique_rows, means)
    copies = tuple(means.index.matches(subject, fingerprints)[:16]) if means.index else ()
    draft.uniqueness = found.model_copy(update={"copies": copies})
    if means.index and draft.conclude(plan)[0] != "no_evidence":
        means.index.add(subject, fingerprints)


def _end_if_decided(draft: _Draft, plan: Plan) -> None:
    if draft.conclude(plan)[0] == "fail":
        raise _Over


def _stopped(name: str, outcome: Outcome, error: Exception) -> Check:
    return Check(name=name, outcome=outcome, detail=str(error)[:MAX_WORDS])
