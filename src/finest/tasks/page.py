"""The web pages: progress of the crawls, open and finished tasks, the leaderboard, and an explanation of each problem.

The pages load no script, font or picture, and their content security policy allows only their own style. So untrusted
text can do no harm even if its escaping failed.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request, Response
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from sqlalchemy.exc import SQLAlchemyError

from finest import formatting
from finest.tasks.leaderboard import DASHBOARD_MAX_AGE_S, Dashboard
from finest.tasks.models import CrawlStatistics, Leader, Task, TaskState
from finest.tasks.problems import KINDS, Problem
from finest.tasks.state import server_state

if TYPE_CHECKING:
    from finest.tasks.authority import Authority

LEADERS = 20
MOST_EVIDENCE = 8
"""Links to evidence that the page shows for a task."""
MOST_TEXT = 120
"""Length limit of untrusted text, in characters."""
router = APIRouter(include_in_schema=False)


@dataclass(frozen=True, slots=True)
class CrawlRow:
    """One crawl's row and progress bar; the parts are percentages."""

    name: str
    about: str
    """The language or recipe that the work asks for, and its price; empty for a whole crawl at the usual price."""
    total: str
    finished: str
    leased: str
    open: str
    finished_part: float
    leased_part: float
    done: str


@dataclass(frozen=True, slots=True)
class TaskRow:
    id: str
    hotkey: str
    crawl: str
    warcs: str
    when: str
    dataset: str = ""
    revision: str = ""
    url: str | None = None
    verdicts: str = ""
    evidence: tuple[tuple[str, str], ...] = ()
    """Label and address of each published evidence."""


@dataclass(frozen=True, slots=True)
class LeaderRow:
    rank: int
    hotkey: str
    paid: str
    tasks: str
    warcs: str
    score: str
    when: str


@router.get("/")
async def front(request: Request) -> Response:
    """The dashboard page."""
    server = server_state(request)
    dashboard = await server.dashboard.get(DASHBOARD_MAX_AGE_S)
    state = request.app.state
    if getattr(state, "front_of", None) is not dashboard:  # rendered once for each dashboard
        state.front = _html("dashboard.html.j2", page=_view(dashboard, server.authority, server.hub))
        state.front_source = dashboard
    front: Response = state.front
    return front


@router.get("/problems/{name}")
async def problem(name: str) -> Response:
    """Explanation of one problem; its address is the problem's `type`."""
    if name not in KINDS:
        raise Problem("not-found", "no problem has this name")
    return _html("problem.html.j2", name=name, kind=KINDS[name])


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Metrics for Prometheus, without those from the database while it does not answer."""
    server = server_state(request)
    try:
        statistics = (await server.dashboard.get(DASHBOARD_MAX_AGE_S)).statistics
    except SQLAlchemyError:
        statistics = None
    text = server.metrics.render(statistics, server.authority.age_s)
    return Response(text, media_type="text/plain; version=0.0.4; charset=utf-8")


def _view(dashboard: Dashboard, authority: Authority, hub: str) -> dict[str, Any]:
    view, block = authority.view, dashboard.statistics.block
    crawls = dashboard.statistics.crawls
    warcs, finished, leased = (sum(getattr(one, name) for one in crawls) for name in ("warcs", "finished", "leased"))
    tasks = dashboard.statistics.tasks
    numbers = [
        (
            "WARCs finished",
            formatting.whole(finished),
            f"{formatting.share(finished, warcs)} of {formatting.whole(warcs)}",
        ),
        ("WARCs leased", formatting.whole(leased), formatting.counted(tasks.get(TaskState.LEASED, 0), "task")),
        ("Tasks finished", formatting.whole(tasks.get(TaskState.FINISHED, 0)), _verdicts(dashboard.statistics.scores)),
        ("Miners", formatting.whole(dashboard.statistics.miners), "have had a task"),
    ]
    seconds = authority.block_time_s
    return {
        "netuid": view.netuid if view else None,
        "block": formatting.whole(authority.block) if view else None,
        "age": formatting.duration(max(1, round(view.age_s))) if view else None,
        "notice": _notice(authority),
        "numbers": numbers,
        "crawls": [_crawl(one) for one in crawls],
        "leased": [_leased(task, block, seconds) for task in dashboard.leased],
        "finished": [_finished(task, block, seconds, hub) for task in dashboard.finished],
        "leaders": [_leader(*one, block, seconds) for one in enumerate(dashboard.leaders[:LEADERS], 1)],
    }


def _notice(authority: Authority) -> str | None:
    try:
        authority.check_age()
    except Problem as unknown:
        return f"The server leases no tasks at the moment: {unknown.detail}."
    return None


def _crawl(one: CrawlStatistics) -> CrawlRow:
    whole = max(one.warcs, 1)
    return CrawlRow(
        _text(one.crawl), _about(one), formatting.whole(one.warcs), formatting.whole(one.finished),
        formatting.whole(one.leased), formatting.whole(one.open), round(100 * one.finished / whole, 3),
        round(100 * one.leased / whole, 3),
        formatting.share(one.finished, one.warcs),
    )  # fmt: skip


def _about(one: CrawlStatistics) -> str:
    recipe = f"recipe {one.recipe}" if one.recipe else ""
    what = {"packets": "packets of pages", "merge": "merges of accepted datasets"}.get(one.kind, "")
    price = "" if one.price == 1 else f"price {one.price:g}"
    return _text(", ".join(filter(None, (what, one.language, recipe, price))))


def _leased(task: Task, block: int, block_time_s: float) -> TaskRow:
    left = max(0, task.expires_block - block)
    when = f"{formatting.counted(left, 'block')}, about {_roughly(left * block_time_s)}"
    return TaskRow(_text(task.id), _text(task.hotkey), _text(task.crawl), str(len(task.warcs)), when)


def _finished(task: Task, block: int, block_time_s: float, hub: str) -> TaskRow:
    repo, revision = task.repo or "", task.revision or ""
    return TaskRow(
        _text(task.id), _text(task.hotkey), _text(task.crawl), str(len(task.warcs)),
        _ago(task.closed_block, block, block_time_s), dataset=_text(repo), revision=_text(revision[:10]),
        url=formatting.link(f"{hub}/datasets/{repo}/tree/{revision}") if repo and revision else None,
        verdicts=_verdicts(Counter(score.verdict for score in task.scores)),
        evidence=tuple(_evidence(task, hub)),
    )  # fmt: skip


def _evidence(task: Task, hub: str) -> Iterator[tuple[str, str]]:
    """Label and address of the published evidence of a task's verdicts."""
    for score in task.scores[:MOST_EVIDENCE]:
        repo, _, rest = (score.evidence or "").partition("@")
        revision, _, root = rest.partition("#")
        address = formatting.link(f"{hub}/datasets/{repo}/blob/{revision}/evidence/{root[:2]}/{root}.json")
        if root and address:
            yield _text(score.validator[:6]), address


def _leader(rank: int, one: Leader, block: int, block_time_s: float) -> LeaderRow:
    score = f"{one.mean_score:.3f}" if one.mean_score is not None else "\u2013"
    when = _ago(one.last_finished_block, block, block_time_s)
    return LeaderRow(
        rank, _text(one.hotkey), formatting.whole(one.paid_tokens), formatting.whole(one.finished_tasks),
        formatting.whole(one.finished_warcs), score, when,
    )  # fmt: skip


def _verdicts(counts: Any) -> str:
    order: Sequence[tuple[str, str]] = (("pass", "passed"), ("fail", "failed"), ("no_evidence", "without evidence"))
    return (
        ", ".join(f"{formatting.whole(counts[name])} {word}" for name, word in order if counts.get(name))
        or "not scored yet"
    )


def _ago(then: int | None, block: int, block_time_s: float) -> str:
    if then is None or block <= 0:
        return "\u2013"
    return f"{_roughly(max(block_time_s, (block - then) * block_time_s))} ago"


def _roughly(seconds: float) -> str:
    """A duration, rounded to minutes from ten minutes on; one block takes 12 s."""
    return formatting.duration(60 * round(seconds / 60) if seconds >= 600 else round(seconds))


def _text(foreign: str) -> str:
    return formatting.showable(foreign, MOST_TEXT)


def _html(template: str, **values: Any) -> Response:
    headers = {
        "Content-Security-Policy": f"default-src 'none'; style-src '{_style()[1]}'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-cache",
    }
    text = _templates().get_template(template).render(css=Markup(_style()[0]), **values)  # noqa: S704  our own file
    return Response(text, headers=headers, media_type="text/html; charset=utf-8")


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("finest.tasks"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip


@cache
def _style() -> tuple[str, str]:
    """The style sheet, and the hash by which the content security policy allows it."""
    css = resources.files("finest.tasks").joinpath("templates/page.css").read_text(encoding="utf-8")
    return css, f"sha256-{base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()}"
