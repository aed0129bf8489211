"""Quality of a dataset that passed its audit: measures it and computes the score."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from finest.errors import VerifyError
from finest.tasks.reference import REFERENCE_RECIPE
from finest.validator.context import VALIDATOR_ERRORS
from finest.validator.evidence import with_quality, without_quality
from finest.validator.languages import is_in_language, reference_for
from finest.validator.quality import Quality
from finest.validator.quality.assess import assess
from finest.validator.quality.record import merged, neutral, recorded

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

    Where there is too little text in a task's language or packet to measure with, it counts as the reference's: the
    audit has shown that the dataset's rows are those of the recipe that the task asks for. Only a language of which the
    validator's sample has no page at all gives no evidence, because nothing would bound the tokens that are claimed.

    Never raises an error for what the miner published or for a failing network.
    """
    if evidence.subject.task.merge is not None:
        return with_quality(evidence, merged(tier.number, evidence.subject.seed))
    context.say(f"Measuring quality with {tokens:,} tokens a side")
    try:
        task = evidence.subject.task
        reference = reference_for(task, dataset.manifest, context.cache)
        found = assess(
            dataset, context.packet or context.warcs.sources(), heldout, context.cache, evidence.subject.seed,
            tier=tier, tokens=tokens, reference=reference,
        )  # fmt: skip
        context.budget.check()
    except VerifyError as error:
        return without_quality(evidence, "fail", str(error))
    except VALIDATOR_ERRORS as error:
        return without_quality(evidence, "no_evidence", str(error))
    if isinstance(found, Quality):
        quality = recorded(found)
    elif (is_in_language(task) or task.packet) and found.kept_tokens:
        quality = neutral(found, tier.number, evidence.subject.seed)
    else:
        return without_quality(evidence, "no_evidence", found.reason)
    drawn_from = {"heldout": ", ".join(source.name for source in heldout)}
    if reference.hash != evidence.versions.recipes.get(REFERENCE_RECIPE):
        drawn_from["reference_recipe"] = reference.hash
    return with_quality(evidence, quality.model_copy(update={"figures": quality.figures | drawn_from}))
