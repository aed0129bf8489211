"""Quality of a dataset that passed its audit: measures it and computes the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from finest.errors import VerifyError
from finest.validator.context import VALIDATOR_ERRORS
from finest.validator.evidence import with_quality, without_quality
from finest.validator.quality import NoEvidence
from finest.validator.quality.assess import assess
from finest.validator.quality.record import recorded
from finest.validator.reference import reference_at
from finest.validator.score import REFERENCE_RECIPE

if TYPE_CHECKING:
    from finest.dataset.open import Dataset
    from finest.validator.context import AuditContext
    from finest.validator.models import Evidence
    from finest.validator.quality.tier import Tier
    from finest.warc.source import Source

VERDICT_TOKENS = 1_000_000
"""Training tokens per side: a quarter of the default. It tells 10 % boilerplate from clean text equally well
(docs/concepts/scoring.md) and keeps a verdict within its ten CPU minutes even if every page has to be judged for it."""


def measure_quality(
    evidence: Evidence, dataset: Dataset, heldout: Sequence[Source], context: AuditContext, tier: Tier, tokens: int
) -> Evidence:
    """Return the evidence of a passed audit with quality figures and score, or with the reason why they are missing.

    Never raises an error for what the miner published or for a failing network.
    """
    context.say(f"Measuring quality with {tokens:,} tokens a side")
    try:
        reference = reference_at(context.cache, evidence.subject.task.leased_block)
        found = assess(
            dataset, context.warcs.sources(), heldout, context.cache, evidence.subject.seed, tier=tier, tokens=tokens,
            reference=reference,
        )  # fmt: skip
        context.budget.check()
    except VerifyError as error:
        return without_quality(evidence, "fail", str(error))
    except VALIDATOR_ERRORS as error:
        return without_quality(evidence, "no_evidence", str(error))
    if isinstance(found, NoEvidence):
        return without_quality(evidence, "no_evidence", found.reason)
    quality = recorded(found)
    drawn_from = {"heldout": ", ".join(source.name for source in heldout)}
    if reference.hash != evidence.versions.recipes.get(REFERENCE_RECIPE):
        drawn_from["reference_recipe"] = reference.hash
    return with_quality(evidence, quality.model_copy(update={"figures": quality.figures | drawn_from}))
