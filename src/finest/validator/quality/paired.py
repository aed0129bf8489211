"""Measure bits per byte of held-out text after training on a submission, the reference, and raw text.

    q = (raw - submission) / (raw - reference)

All three come from the same records. Absolute bits per byte differ more between two WARCs than between good and bad
text of one WARC, so the three models are always fitted on equally many tokens and tested on the same documents. The
computation is pure: the same texts and seed give the same figures.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from finest.validator.quality.leak import overlap
from finest.validator.quality.pieces import Pieces, Pool, Told, pool_of
from finest.validator.quality.tier import N_GRAMS, Tier
from finest.validator.quality.tokens import ENGLISH, Vocabulary, ids
from finest.validator.score import POLICY

SIDES = ("submission", "reference", "raw")
DRAWS = 3
"""Training texts drawn per side, to estimate the spread between draws."""
MIN_TOKENS = 5_000
"""Minimum tokens of the reference and of raw text; fewer are not enough to compare a submission with."""
MIN_HELDOUT_BYTES, MIN_HELDOUT_DOCUMENTS = 20_000, 10
"""Minimum held-out text; with less, the error is meaningless."""
SMALLEST_SHARE = 0.25
"""All sides get equal budgets down to this share of the reference's tokens; a smaller submission gets less text."""
MOST_LEAKED = 0.5
"""If the submission (but not its sources) contains more than this share of the held-out bytes, its quality is 0."""

Progress = Callable[[float, str], None]
"""Callback that receives the share that is done, and the name of the text that is being learned."""


@dataclass(frozen=True, slots=True)
class NoEvidence:
    """The validator had too little text to measure with, which is not the miner's fault."""

    reason: str
    kept_tokens: int = 0
    read_bytes: int = 0
    source_bytes: int = 0
    """As in `Quality`."""


@dataclass(frozen=True, slots=True)
class Quality:
    """The result of a measurement; bpb are bits per byte of held-out text, lower is better."""

    tier: int
    q: float | None
    """1 equals the reference, 0 equals raw text; None if raw text and reference cannot be told apart."""
    q_error: float | None
    """Standard error of q."""
    bpb: float
    """Infinite if there is no submitted text, or if it contains the held-out text."""
    bpb_reference: float
    bpb_raw: float
    error_bpb: float
    """Standard error of bpb - bpb_reference: the spread between draws and between held-out documents."""
    tokens: int
    """Training tokens of the reference and of raw text, and of the submission unless it has fewer."""
    submission_tokens: int
    reference_tokens: int
    raw_tokens: int
    """`submission_tokens`, `reference_tokens` and `raw_tokens` count all tokens that were available to draw from."""
    heldout_documents: int
    heldout_bytes: int
    known_documents: int
    """Held-out documents dropped because the task's own records contain them."""
    leaked_documents: int
    """Held-out documents dropped because the submission contains them, though the task's records do not."""
    seed: str
    submission_sha256: str
    reference_sha256: str
    raw_sha256: str
    heldout_sha256: str
    """Each `*_sha256` is the sha256 of the sorted sha256s of the texts."""
    kept_tokens: int = 0
    """GPT-2 tokens of the reference in the windows that were read."""
    read_bytes: int = 0
    source_bytes: int = 0
    """Bytes of these windows, and of all the task's WARCs."""
    parts: Mapping[str, str] = field(default_factory=dict)
    """The sha256s of the model's files."""
    runs_on: Mapping[str, str] = field(default_factory=dict)
    """For tier 2, the device and the release of PyTorch."""


def measure(
    submission_texts: Sequence[str], reference_texts: Sequence[str], raw_texts: Sequence[str],
    heldout_texts: Sequence[str], seed: str, *, tier: Tier = N_GRAMS, tokens: int | None = None,
    vocabulary: Vocabulary = ENGLISH, progress: Progress = lambda _share, _words: None,
) -> Quality | NoEvidence:  # fmt: skip
    """Measure a submission, given the validator's own refinement and raw text of the same records.

    `seed` is any string. The order of the texts does not matter. Without `tokens`, each side trains on the tier's own
    number of tokens, which `vocabulary` defines. Returns NoEvidence if the validator's own texts are too few.
    """
    found = overlap(heldout_texts, submission_texts, (*reference_texts, *raw_texts))
    heldout = [text for text, off in zip(heldout_texts, found.known | found.leaked, strict=True) if not off]
    pools = tuple(pool_of(texts, vocabulary) for texts in (submission_texts, reference_texts, raw_texts))
    fresh = [text for text, known in zip(heldout_texts, found.known, strict=True) if not known]
    reason = _too_little(pools, fresh)
    if reason:
        return NoEvidence(reason)
    budget = _budget(pools, tokens or tier.tokens)
    result = Quality(
        tier=tier.number, parts={"tokenizer": vocabulary.sha256, **tier.parts}, runs_on=tier.runs_on,
        q=None, q_error=None, bpb=math.inf, bpb_reference=math.nan, bpb_raw=math.nan, error_bpb=0.0, tokens=budget,
        submission_tokens=pools[0].tokens, reference_tokens=pools[1].tokens, raw_tokens=pools[2].tokens,
        heldout_documents=len(heldout), heldout_bytes=_size(heldout), known_documents=int(found.known.sum()),
        leaked_documents=int(found.leaked.sum()), seed=seed, submission_sha256=_digest(submission_texts),
        reference_sha256=_digest(reference_texts), raw_sha256=_digest(raw_texts), heldout_sha256=_digest(heldout_texts),
    )  # fmt: skip
    has_leaked = _size(fresh) - _size(heldout) > MOST_LEAKED * _size(fresh)
    worthless = has_leaked or not pools[0].tokens
    documents = Documents.of(fresh if has_leaked else heldout, vocabulary)
    bits = _bits(tier, pools, documents, result, SIDES[worthless:], progress)
    return _compared(result, documents, bits, worthless)


def _too_little(pools: tuple[Pool, ...], heldout: Sequence[str]) -> str | None:
    for name, pool in zip(("reference", "raw text"), pools[1:], strict=True):
        if pool.tokens < MIN_TOKENS:
            return f"{name} has {pool.tokens} tokens, at least {MIN_TOKENS} are needed: draw from more WARCs"
    if _size(heldout) < MIN_HELDOUT_BYTES or len(heldout) < MIN_HELDOUT_DOCUMENTS:
        return f"{len(heldout)} held-out documents with {_size(heldout)} bytes are too few: name more held-out WARCs"
    return None


def _budget(pools: tuple[Pool, ...], tokens: int) -> int:
    submission, reference, raw = (pool.tokens for pool in pools)
    least = max(MIN_TOKENS, int(SMALLEST_SHARE * min(reference, raw)))
    return min(tokens, reference, raw, max(submission, least))


def _bits(
    tier: Tier, pools: tuple[Pool, ...], documents: Documents, result: Quality, sides: Sequence[str], progress: Progress
) -> NDArray[np.float64]:
    """Return the bits that documents cost, with axes (side, draw, document)."""
    done, fits = 0, DRAWS * len(sides)

    def told(share: float) -> None:
        progress((done + share) / fits, f"{side}, {draw + 1} of {DRAWS}")

    bits = np.empty((len(sides), DRAWS, len(documents.sizes)))
    for at, side in enumerate(sides):
        for draw in range(DRAWS):
            told(0)
            training = pools[SIDES.index(side)].draw(result.tokens, _draw_seed(result.seed, draw))
            bits[at, draw] = documents.bits(tier, training, f"{side}-{draw + 1}", told)
            done += 1
    return bits


def _compared(result: Quality, documents: Documents, bits: NDArray[np.float64], worthless: bool) -> Quality:
    """Fill in the figures of the result; a worthless submission keeps its infinite bits."""
    per_byte = bits.sum(axis=2) / documents.sizes.sum()
    reference, raw = float(per_byte[-2].mean()), float(per_byte[-1].mean())
    if worthless:
        return replace(result, bpb_reference=reference, bpb_raw=raw)
    bpb = float(per_byte[0].mean())
    result = replace(
        result, bpb=bpb, bpb_reference=reference, bpb_raw=raw, error_bpb=documents.error(bits[0] - bits[1])
    )
    gap = raw - reference
    if gap < POLICY.min_gap_bpb:
        return result
    q = (raw - bpb) / gap
    return replace(result, q=q, q_error=documents.error((bits[2] - bits[0]) - q * (bits[2] - bits[1])) / gap)


@dataclass(frozen=True, slots=True)
class Documents:
    """Held-out documents, ready to be predicted."""

    pieces: Pieces
    owners: NDArray[np.int64]
    """The document of each token."""
    sizes: NDArray[np.int64]
    """Bytes of each document."""

    @staticmethod
    def of(texts: Sequence[str], vocabulary: Vocabulary = ENGLISH) -> Documents:
        """Prepare texts in an order that does not depend on the given one."""
        texts = sorted(texts)
        owners = np.repeat(np.arange(len(texts)), [len(ids(text, vocabulary)) for text in texts])
        return Documents(pool_of(texts, vocabulary), owners, np.array([_bytes(text) for text in texts]))

    def bits(self, tier: Tier, training: Pieces, name: str, told: Told) -> NDArray[np.float64]:
        """Return the bits that each document costs after training on `training`."""
        if not training.tokens:
            return np.full(len(self.sizes), np.inf)
        nats = tier.nats(training, self.pieces, name, told)
        return np.bincount(self.owners, weights=nats, minlength=len(self.sizes)) / math.log(2)

    def error(self, differences: NDArray[np.float64]) -> float:
        """Return the standard error, in bits per byte, of differences of bits with axes (draw, document).

        It combines the spread between draws with that between documents. The latter is the closed form to which a
        bootstrap over documents converges (linearised ratio), so no second random source is needed.
        """
        total = self.sizes.sum()
        by_draw = differences.sum(axis=1) / total
        by_document = differences.mean(axis=0)
        rest = by_document - by_document.sum() / total * self.sizes
        count = len(self.sizes)
        documents = (rest**2).sum() * count / (count - 1) / total**2
        return float(np.sqrt(by_draw.var(ddof=1) / len(by_draw) + documents))


def _draw_seed(seed: str, draw: int) -> int:
    return int.from_bytes(hashlib.sha256(f"finest-quality/1 {seed} {draw}".encode()).digest()[:8], "little")


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _size(texts: Iterable[str]) -> int:
    return sum(map(_bytes, texts))


def _digest(texts: Iterable[str]) -> str:
    digests = sorted(hashlib.sha256(text.encode("utf-8", "replace")).digest() for text in texts)
    return hashlib.sha256(b"".join(digests)).hexdigest()
