"""Bounds on one page: whatever it does, it costs itself, and the ledger names it."""

from __future__ import annotations

import resource
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from finest.errors import RunError
from finest.pipeline import preflight as checks
from finest.pipeline.guard import CPU_SIGNAL, PageGuard
from finest.pipeline.guarded import GuardedJudge
from finest.pipeline.options import RunOptions
from finest.pipeline.progress import Progress
from finest.pipeline.run import refine
from finest.pipeline.why import why
from finest.process import MEMORY_EXIT
from finest.recipe import judge as judging
from finest.recipe import toolbox
from finest.recipe.check import Check
from finest.recipe.page import Page
from finest.recipe.recipe import ExtractionRules, GopherRepetitionRules, Recipe
from finest.recipe.stage import Rules, Stage
from finest.recipe.stages import Order
from finest.recipe.stages.url import URL
from finest.recipe.state import PageState
from finest.settings import default_cache
from finest.warc.source import CommonCrawl
from tests.pipeline.test_run import record, verdict_counts

OFF = GopherRepetitionRules(enabled=False)


class Panic(BaseException):
    """As resiliparse's: no `except Exception` sees it."""


def panic() -> None:
    raise Panic


def too_large() -> None:
    raise MemoryError


def endless() -> None:
    """As compiled code is: no signal handler of Python's ever runs."""
    signal.setitimer(signal.ITIMER_PROF, 0)
    while True:
        sum(range(10_000))


def error() -> None:
    raise KeyError("x")


IN_A_GUARD = "from finest.pipeline.guard import PageGuard\nwith PageGuard({cpu_s}, {memory_bytes}):\n    {statement}"
"""A new interpreter runs it: the memory that this one's tests have freed would be used again without counting."""


def ended_by(statement: str, cpu_s: float = 30.0, memory_bytes: int = 64 << 20) -> int:
    """Return the exit code of a process that runs `statement` within a guard."""
    code = IN_A_GUARD.format(cpu_s=cpu_s, memory_bytes=memory_bytes, statement=statement)
    return subprocess.run([sys.executable, "-c", code], check=False, timeout=300).returncode


def test_compiled_code_without_end_is_killed_by_the_kernel() -> None:
    """The CPU bound needs no instruction of Python's to be carried out."""
    assert ended_by("sum(range(10**12))", cpu_s=0.2) == -CPU_SIGNAL


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is bounded where Linux counts it")
def test_a_page_that_eats_memory_ends_its_worker() -> None:
    """Memory is counted from where the page began, and nothing of the failure is taken for a verdict."""
    assert ended_by("bytearray(128 << 20)") == MEMORY_EXIT
    assert ended_by("bytearray(16 << 20)") == 0


def test_limits_are_as_before_behind_the_guard() -> None:
    """What a page may not exceed does not hold for what comes after it."""
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with PageGuard(5):
        pass
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert signal.getitimer(signal.ITIMER_VIRTUAL) == (0.0, 0.0)


ATTACKS = {
    "PANIC": ("gate", panic, "extraction_crash"),
    "MEMORY": ("language", too_large, "extraction_crash"),
    "ENDLESS": ("repetition", endless, "extraction_limit"),
    "ERROR": ("fineweb", error, "judge_error"),
}


def judge_by(monkeypatch: pytest.MonkeyPatch, *stages: Stage[Any]) -> None:
    """Judge by these stages instead of the recipe's, in this process and its children."""
    monkeypatch.setitem(toolbox.ORDERS, "fineweb", Order(stages, ()))
    monkeypatch.setattr(toolbox, "_toolboxes", {})


def test_pages_that_attack_any_stage_cost_themselves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A panic, want of memory, endless code and an exception are verdicts of those pages; the others are judged."""
    source = tmp_path / "pages.warc.gz"
    good = checks.KNOWN_HTML.encode()
    bad = [good.replace(b"</body>", f"<!--{name}--></body>".encode()) for name in ATTACKS]
    source.write_bytes(b"".join(record(n, body) for n, body in enumerate([good, *bad, good, good])))
    stages = tuple(replace(stage, run=partial(_attacked, stage)) for stage in judging.STAGES)
    judge_by(monkeypatch, *stages)
    recipe = Recipe(name="test", extraction=ExtractionRules(cpu_limit_s=0.5), gopher_repetition=OFF)
    options = RunOptions((str(source),), tmp_path / "out", recipe, default_cache(), CommonCrawl("https://x", "x"))
    refine(options, Progress(quiet=True))
    counts = verdict_counts(tmp_path / "out")
    assert {reason: counts.pop(reason) for _, _, reason in ATTACKS.values() if reason in counts} == {
        "extraction_crash": 2, "extraction_limit": 1, "judge_error": 1,
    }  # fmt: skip
    assert sum(counts.values()) == 3
    urls = [f"https://example.org/{number}" for number in range(len(ATTACKS) + 1)]
    answers = [answer for url in urls for answer in why(tmp_path / "out", url, default_cache())]
    assert "KeyError in stage fineweb at test_guard.py" in next(
        answer.trail.error for answer in answers if answer.stored["reason"] == "judge_error"
    )
    assert Counter(answer.verdict.reason for answer in answers)["extraction_crash"] == 2


def _attacked(own: Stage[Any], state: PageState, rules: Rules, tools: judging.Toolbox) -> Iterable[Check]:
    for mark, (stage, attack, _) in ATTACKS.items():
        if stage == own.name and mark.encode() in state.page.block:
            attack()
    return own.run(state, rules, tools)


def test_an_error_of_the_machine_is_no_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk or a missing model ends the run; it is not written down against a page."""
    source = tmp_path / "pages.warc.gz"
    source.write_bytes(record(0, checks.KNOWN_HTML.encode()))

    def full(state: PageState, _rules: Rules, _tools: judging.Toolbox) -> Iterable[Check]:
        if state.page.url.startswith("https://example.org"):
            raise OSError(28, "No space left on device")
        return ()

    broken = replace(URL, run=full)
    judge_by(monkeypatch, *judging.STAGES[:1], broken, *judging.STAGES[1:])
    options = RunOptions(
        (str(source),), tmp_path / "out", Recipe(name="test"), default_cache(), CommonCrawl("https://x", "x")
    )
    with pytest.raises(RunError):
        refine(options, Progress(quiet=True))


@pytest.mark.parametrize(("name", "reason"), [("ENDLESS", "extraction_limit"), ("MEMORY", "extraction_crash")])
def test_a_page_that_is_judged_again_ends_its_child_process_only(
    name: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What reads a stranger's dataset survives its pages, and goes on with the next one."""
    stages = tuple(replace(stage, run=partial(_attacked, stage)) for stage in judging.STAGES)
    judge_by(monkeypatch, *stages)
    recipe = Recipe(name="test", extraction=ExtractionRules(cpu_limit_s=0.2), gopher_repetition=OFF)
    body = checks.KNOWN_HTML.encode()
    pages = [page_of(body), page_of(body.replace(b"</body>", f"<!--{name}--></body>".encode()))]
    with GuardedJudge(recipe, default_cache()) as guarded:
        assert [guarded.judge(page).reason for page in (pages[0], pages[1], pages[0])] == ["kept", reason, "kept"]
        assert guarded.explain(pages[1])[0].reason == reason
        assert guarded.explain(pages[0])[1].stages.keys() >= {"url", "language", "fineweb"}


def test_an_error_of_the_machine_leaves_the_child_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk is told to whoever asked for the verdict."""
    judge_by(monkeypatch, replace(URL, run=_full), *judging.STAGES[1:])
    with GuardedJudge(Recipe(name="test"), default_cache()) as guarded, pytest.raises(OSError, match="No space left"):
        guarded.judge(page_of(checks.KNOWN_HTML.encode()))


def page_of(html: bytes) -> Page:
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + html
    return Page("0", "https://example.org/0", "2025-01-01T00:00:00Z", http, "text/html")


def _full(*_: object) -> Iterable[Check]:
    raise OSError(28, "No space left on device")
