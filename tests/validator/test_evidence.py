"""A verdict's record: the same bytes for the same audit, somebody's word, and reproducible."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

import pytest

from finest.errors import UsageError
from finest.validator.audit import audit
from finest.validator.budget import Budget, OverBudget
from finest.validator.evidence import (
    canonical,
    conclude,
    evidence_hash,
    is_dishonest,
    is_signed,
    read_evidence,
    scored,
    sign,
    to_json,
    total_of,
    with_quality,
    without_quality,
    write_evidence,
)
from finest.validator.models import Check, Evidence, Outcome, PageFinding, Plan, Quality, RowFinding, WindowFinding
from finest.validator.replay import replay
from tests.deep import sampled

from .made import Published

FEW = Plan(rows=6, windows=3, window_pages=5)
QUALITY = Quality(tier=1, tokens=10, bpb=2.0, bpb_reference=2.0, bpb_raw=2.1, error_bpb=0.001)
HASH = "ab" * 32


@pytest.fixture(scope="module")
def evidence(honest: Published) -> Evidence:
    return audit(honest.subject(), FEW, honest.context())


def test_the_same_audit_gives_the_same_bytes(honest: Published, evidence: Evidence) -> None:
    """No clock, no path and no order of this machine is in it."""
    again = audit(honest.subject(), FEW, honest.context())
    assert canonical(again) == canonical(evidence)
    assert str(honest.folder).encode() not in canonical(evidence)
    assert audit(honest.subject(1), FEW, honest.context()).rows != evidence.rows


def test_canonical_json_is_sorted_and_tight(evidence: Evidence) -> None:
    """As docs/reference/protocol.md has it; the signature is not part of what is signed."""
    data = json.loads(canonical(evidence))
    assert canonical(evidence) == json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
    assert "signature" not in data and data["format"] == "finest-evidence/1"


def test_it_is_read_as_it_was_written(evidence: Evidence, tmp_path: Path) -> None:
    """Every field, with figures of quality too."""
    for bpb in (2.0, inf):
        quality = QUALITY.model_copy(update={"bpb": bpb, "figures": {"q": 0.5, "documents": 3, "q_error": None}})
        told = with_quality(evidence, quality)
        write_evidence(tmp_path / "e.json", told)
        assert read_evidence(tmp_path / "e.json") == told
        assert to_json(read_evidence(tmp_path / "e.json")) == to_json(told) == (tmp_path / "e.json").read_bytes()
        assert b"Infinity" not in to_json(told).replace(b'"Infinity"', b"")


@pytest.mark.parametrize("data", [b"", b"{}", b'{"format": "finest-evidence/2"}', b"[" * 10_000], ids=range(4))
def test_what_is_no_evidence_is_said(data: bytes, tmp_path: Path) -> None:
    """A file of anything else is a person's mistake."""
    (tmp_path / "e.json").write_bytes(data)
    with pytest.raises(UsageError, match="no evidence of this version"):
        read_evidence(tmp_path / "e.json")


@pytest.mark.slow
def test_only_the_validator_can_sign_it(evidence: Evidence, tmp_path: Path) -> None:
    """Changed in any field, or signed by another hotkey, it is nobody's word."""
    bt = pytest.importorskip("bittensor")
    from finest.chain.wallet import Hotkey

    wallets = [bt.Wallet("cold", name, str(tmp_path)) for name in ("one", "two")]
    for number, wallet in enumerate(wallets):
        if not number:
            wallet.create_new_coldkey(use_password=False, suppress=True)
        wallet.create_new_hotkey(suppress=True)
    one, two = map(Hotkey, wallets)
    subject = evidence.subject.model_copy(update={"validator": one.address})
    signed = sign(evidence.model_copy(update={"subject": subject}), one)
    assert is_signed(signed) and not is_signed(evidence)
    assert not is_signed(signed.model_copy(update={"verdict": "fail"}))
    assert not is_signed(signed.model_copy(update={"signature": "00" * 64}))
    assert not is_signed(signed.model_copy(update={"subject": subject.model_copy(update={"validator": two.address})}))
    assert not is_signed(signed.model_copy(update={"subject": subject.model_copy(update={"validator": "nobody"})}))
    with pytest.raises(ValueError, match="not"):
        sign(signed, two)


def test_a_replay_finds_the_same(honest: Published, evidence: Evidence) -> None:
    """Finding by finding, score and all."""
    from finest.validator.seed import make_seed

    subject = evidence.subject
    beacon = {"block": 155, "hash": "0x" + "0" * 64}
    assert subject.seed == make_seed(str(beacon["hash"]), subject.submission.line or "", subject.validator or "")
    told = Evidence.model_validate_json(to_json(with_quality(evidence, QUALITY)))
    assert replay(told, honest.context()) is None


@pytest.mark.slow
@pytest.mark.parametrize("outcome", sampled(["no_evidence", "fail"]))
def test_a_replay_takes_as_stated_that_there_are_no_figures(
    honest: Published, evidence: Evidence, outcome: Outcome
) -> None:
    """What was measured, or could not be, is nobody's to repeat without the WARCs that were held out."""
    told = without_quality(evidence, outcome, "3 held-out documents are too few" * 100)
    assert (told.verdict, told.why[:10], total_of(told)) == (outcome, "quality: 3", 0.0)
    assert (is_dishonest(told), scored(told), told.admission[:-1]) == (False, None, evidence.admission)
    assert replay(Evidence.model_validate_json(to_json(told)), honest.context()) is None
    other = told.model_copy(update={"rows": told.rows[:-1]})
    assert str(replay(other, honest.context())).startswith("rows[5]")


@pytest.mark.slow
@pytest.mark.parametrize("part", sampled(["total", "score", "measured"]))
def test_a_score_without_figures_is_found_out(honest: Published, evidence: Evidence, part: str) -> None:
    """Nothing was measured, so nothing follows: neither for a friend, nor for a dataset that could not be judged."""
    made_up = {part: getattr(with_quality(evidence, QUALITY), part)}
    assert str(replay(evidence.model_copy(update=made_up), honest.context())).startswith(f"{part}: the evidence has")
    unmeasured = without_quality(evidence, "no_evidence", "the Hub is away")
    assert str(replay(unmeasured.model_copy(update=made_up), honest.context())).startswith(part)


def test_what_a_verdict_is_worth(evidence: Evidence) -> None:
    """A pass what its factors say, anything else nothing; without figures nothing too."""
    told = with_quality(evidence, QUALITY)
    found = scored(told)
    assert found is not None
    assert told.total == total_of(told) == found.total > 0
    assert total_of(told.model_copy(update={"verdict": "fail"})) == 0
    assert (scored(evidence), total_of(evidence)) == (None, 0)
    changed = told.model_copy(update={"total": 0.99, "score": None})
    assert total_of(changed) == found.total


def test_a_lie_is_what_admission_did_not_find(evidence: Evidence) -> None:
    """Forged rows, whatever else could not be looked at; not a manifest that is wrong."""
    failed = evidence.model_copy(update={"verdict": "fail"})
    assert is_dishonest(failed)
    for outcome, lie in (("no_evidence", True), ("fail", False)):
        check = Check.model_validate({"name": "root", "outcome": outcome})
        assert is_dishonest(failed.model_copy(update={"admission": (*failed.admission, check)})) is lie
    assert not is_dishonest(evidence)
    assert not is_dishonest(failed.model_copy(update={"verdict": "no_evidence"}))


@pytest.mark.slow
@pytest.mark.parametrize("part", sampled(["rows", "windows", "verdict", "seed", "total"], 2))
def test_a_replay_names_the_first_difference(honest: Published, evidence: Evidence, part: str) -> None:
    """A validator that made something up is found out by anybody."""
    told = with_quality(evidence, QUALITY)
    if part == "rows":
        forged = told.rows[2].model_copy(update={"outcome": "forged"})
        told = told.model_copy(update={"rows": (*told.rows[:2], forged, *told.rows[3:])})
    elif part == "windows":
        told = told.model_copy(update={"windows": told.windows[:-1]})
    elif part == "seed":
        beacon = {"block": 155, "hash": "0x" + "1" * 64}
        told = Evidence.model_validate(told.model_dump() | {"subject": told.subject.model_dump() | {"beacon": beacon}})
    else:
        told = told.model_copy(update={part: "fail" if part == "verdict" else 0.5})
    difference = replay(told, honest.context())
    assert difference is not None
    assert difference.startswith(f"{part}[2]" if part in {"rows", "windows"} else part)


def test_the_hash_is_what_a_server_is_told(evidence: Evidence) -> None:
    """64 hex digits, the same with and without the signature."""
    assert len(evidence_hash(evidence)) == 64
    assert evidence_hash(evidence) == evidence_hash(evidence.model_copy(update={"signature": "00" * 64}))


@pytest.mark.slow
@pytest.mark.nightly
def test_a_verdict_over_its_budget_is_no_evidence(honest: Published) -> None:
    """That we are slow, or short of memory, is no fault of the miner's."""
    for budget in (Budget(cpu_s=0.01), Budget(memory_bytes=-1)):
        found = audit(honest.subject(), FEW, honest.context(budget=budget))
        assert found.verdict != "pass"
        assert found.admission[-1].name == "audit" or "to read" in found.why


def test_what_the_process_held_before_is_not_the_verdicts() -> None:
    """A process of gigabytes may judge; what it takes from then on counts."""
    with _held(64 << 20):
        budget = Budget(memory_bytes=32 << 20)
        budget.check()
        assert budget.peak_bytes < 32 << 20
        with _held(64 << 20), pytest.raises(OverBudget, match="holds more than"):
            budget.check()
    assert budget.peak_bytes > 32 << 20


@contextmanager
def _held(size_bytes: int) -> Iterator[None]:
    """So much memory from the system: the C library might have it at hand."""
    with mmap.mmap(-1, size_bytes) as memory:
        for page in range(0, size_bytes, mmap.PAGESIZE):
            memory[page] = 1
        yield


def row(outcome: str) -> RowFinding:
    told = {"number": 0, "id": "i", "source": "s", "offset": 0, "expected": HASH, "found": None, "outcome": outcome}
    return RowFinding.model_validate(told)


def window(*outcomes: str, detail: str = "") -> WindowFinding:
    told = [{"id": "i", "source": "s", "offset": 0, "tokens": 5, "outcome": outcome} for outcome in outcomes]
    kept = tuple(PageFinding.model_validate(page) for page in told)
    return WindowFinding(source="s", offset=0, pages=15, kept=kept, detail=detail)


@pytest.mark.parametrize(
    ("rows", "windows", "verdict"),
    [
        (["same"] * 100, [window("held")] * 32, "pass"),
        (["same"] * 127 + ["forged"], [window("held")] * 32, "pass"),
        (["forged"] * 4, [], "fail"),
        (["same"] * 20 + ["no_evidence"] * 108, [window("held")] * 32, "no_evidence"),
        (["no_evidence"] * 124 + ["forged"] * 4, [], "fail"),
        (["same"] * 100, [window("held")] * 30 + [window("missed")] * 2, "pass"),
        (["same"] * 100, [window("held")] * 20 + [window("missed")] * 12, "fail"),
        (["same"] * 100, [window(detail="its WARC cannot be read")] * 20 + [window("held")] * 12, "no_evidence"),
    ],
)  # fmt: skip
def test_what_follows_from_the_findings(rows: list[str], windows: list[WindowFinding], verdict: str) -> None:
    """A proven lie counts whatever could not be seen; chance and gaps never do."""
    found = conclude([], [row(outcome) for outcome in rows], windows, rows_planned=128, known=True)
    assert found[0] == verdict


def test_what_is_missing_under_another_recipe_is_no_lie() -> None:
    """It may drop what the reference keeps: that costs recall, and below a half of it the task."""
    rows = [row("same")] * 100
    half = [window("held")] * 16 + [window("missed")] * 16
    assert conclude([], rows, half, rows_planned=128, known=False)[0] == "pass"
    less = conclude([], rows, [*half, window("missed")], rows_planned=128, known=False)
    assert less == ("fail", "recall 0.48: 17 of 33 pages are missing, at most half may be")


def test_little_recall_is_a_lie_under_a_known_recipe_alone(evidence: Evidence) -> None:
    """A strict recipe of one's own is worth nothing, and its miner is no forger."""
    assert evidence.declared
    told = evidence.model_copy(update={"verdict": "fail", "windows": (window(*["missed"] * 9),)})
    unknown = evidence.declared.model_copy(update={"known": False})
    assert is_dishonest(told)
    assert not is_dishonest(told.model_copy(update={"declared": unknown}))


def test_our_failure_beside_a_miners_lie() -> None:
    """A fail in admission stands before anything else."""
    checks = [Check(name="audit", outcome="no_evidence"), Check(name="dataset", outcome="fail", detail="a bomb")]
    assert conclude(checks, [], [], rows_planned=1, known=True) == ("fail", "not admissible (dataset): a bomb")
