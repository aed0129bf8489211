"""From a verdict that passes to what the dataset is worth: its quality measured, its score worked out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from finest.errors import VerifyError
from finest.validator.evidence import with_quality, without_quality
from finest.validator.means import OURS
from finest.validator.models import Quality
from finest.validator.quality import NoEvidence
from finest.validator.quality.assess import assess

if TYPE_CHECKING:
    from finest.dataset.open import Dataset
    from finest.validator.means import Means
    from finest.validator.models import Evidence
    from finest.validator.quality import Quality as Measurement
    from finest.warc.source import Source

VERDICT_TOKENS = 1_000_000
"""Training tokens a side: a quarter of the default, which tells 10 % boilerplate from clean text as well
(docs/scoring.md) and leaves a verdict within its ten CPU minutes where every page has to be judged for it."""


def measure_quality(
    evidence: Evidence, dataset: Dataset, heldout: Sequence[Source], means: Means, tokens: int
) -> Evidence:
    """The evidence of an audit that passed, with figures and score; no evidence where they cannot be had.

    Never raises for what the miner published, nor for a network that fails.
    """
    means.say(f"Measuring quality with {tokens:,} tokens a side")
    try:
        found = assess(dataset, means.warcs.sources(), heldout, means.cache, evidence.subject.seed, tokens=tokens)
        means.budget.check()
    except VerifyError as error:
        return without_quality(evidence, "fail", str(error))
    except OURS as error:
        return without_quality(evidence, "no_evidence", str(error))
    if isinstance(found, NoEvidence):
        return without_quality(evidence, "no_evidence", found.reason)
    names = ", ".join(source.name for source in heldout)
    return with_quality(evidence, quality_of(found, tier=1, heldout=names))


def quality_of(found: Measurement, *, tier: int, heldout: str) -> Quality:
    """The figures as evidence keeps them; `heldout` names the WARCs that nobody was given."""
    return Quality(
        tier=tier, tokens=found.tokens, bpb=found.bpb, bpb_reference=found.bpb_reference, bpb_raw=found.bpb_raw,
        error_bpb=found.error_bpb,
        figures={
            "q": found.q, "q_error": found.q_error, "submission_tokens": found.submission_tokens,
            "reference_tokens": found.reference_tokens, "raw_tokens": found.raw_tokens,
            "heldout_documents": found.heldout_documents, "heldout_bytes": found.heldout_bytes,
            "known_documents": found.known_documents, "leaked_documents": found.leaked_documents, "heldout": heldout,
        },
        hashes={
            "submission": found.submission_sha256, "reference": found.reference_sha256, "raw": found.raw_sha256,
            "heldout": found.heldout_sha256, "tokenizer": found.tokenizer_sha256,
        },
    )  # fmt: skip
