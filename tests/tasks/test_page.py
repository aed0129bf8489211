"""The page: everything a person asks for, nothing that a stranger's string could do."""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Any

import pytest

from finest.tasks import page
from finest.tasks.leaderboard import Dashboard
from finest.tasks.models import CrawlStatistics, Leader, Rules, Score, Statistics, Task, TaskState
from finest.tasks.store import Store
from tests.tasks.live_server import BLOCK, MadeSubnet, hotkey, serving
from tests.tasks.samples import CRAWL, REVISION, ROOT, paths

ALICE = hotkey("Alice")
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(1)>\u202e\x00{{7*7}}'


class _Authority:
    """What the page asks of the authority."""

    def __init__(self, subnet: MadeSubnet) -> None:
        self.view, self.block, self.block_time_s = subnet.view(), BLOCK, 12.0

    def check_age(self) -> None: ...


def task(**changes: Any) -> Task:
    values: dict[str, Any] = {
        "id": "01a2" * 8, "hotkey": ALICE.address, "state": TaskState.FINISHED, "crawl": CRAWL, "warcs": paths(4),
        "block": BLOCK, "leased_block": 500, "expires_block": 2300, "closed_block": 900, "repo": "alice/web",
        "revision": REVISION, "root": ROOT, "commitment": "fd1:",
        "scores": [Score(validator="v", verdict="pass", score=1.0, block=950)],
    }  # fmt: skip
    return Task(**(values | changes))


def dashboard(*tasks: Task, crawl: str = CRAWL, leader: str = ALICE.address) -> Dashboard:
    return Dashboard(
        Statistics(
            block=BLOCK, crawls=[
                CrawlStatistics(
                    crawl=crawl, kind="language", language=f"deu_{crawl}", recipe="fineweb-2", price=2.5, warcs=1000,
                    open=700, leased=200, finished=100,
                )
            ],
            tasks={TaskState.FINISHED: 25, TaskState.LEASED: 50}, miners=7, scores={"pass": 20, "fail": 1},
        ),
        [
            Leader(
                hotkey=leader, paid_tokens=12_345_678, finished_tasks=25, finished_warcs=100, mean_score=0.81,
                last_finished_block=900,
            )
        ],
        [one for one in tasks if one.state is TaskState.LEASED],
        [one for one in tasks if one.state is TaskState.FINISHED],
    )  # fmt: skip


def render(shown: Dashboard, hub: str = "https://huggingface.co") -> str:
    view = page._view(shown, _Authority(MadeSubnet()), hub)  # type: ignore[arg-type]
    return bytes(page._html("dashboard.html.j2", page=view).body).decode()


def test_what_a_person_sees() -> None:
    """Subnet, block, sums, a bar per crawl, open and finished tasks with their dataset, leaders."""
    text = render(dashboard(task(), task(id="ff" * 16, state=TaskState.LEASED)))
    for expected in (
        "Subnet 63", "Block 1,000", "10.0% of 1,000", f">{CRAWL} <", "12,345,678",
        f"deu_{CRAWL}, recipe fineweb-2, price 2.5", 'width="10.0%"', 'x="10.0%" width="20.0%"',
        f'href="https://huggingface.co/datasets/alice/web/tree/{REVISION}"', "alice/web", "1 passed", "0.810",
        "1,300 blocks, about 4 h 20 min", "20 min ago", f"/v1/tasks/{'01a2' * 8}",
    ):  # fmt: skip
        assert expected in text, expected


def test_hostile_strings_are_only_strings() -> None:
    """Markup in a crawl's, repository's, miner's or task's name is shown, never obeyed."""
    strange = task(repo=HOSTILE, hotkey=HOSTILE, crawl=HOSTILE, id=HOSTILE, revision="javascript:alert(1)")
    text = render(
        dashboard(strange, strange.model_copy(update={"state": TaskState.LEASED}), crawl=HOSTILE, leader=HOSTILE)
    )
    assert "<script" not in text
    assert "<img" not in text
    assert "\u202e" not in text
    assert "\x00" not in text
    assert "49" not in text.replace(REVISION, "").partition("<main>")[2]
    assert 'href="javascript' not in text


def test_a_hub_that_is_no_web_address_is_no_link() -> None:
    """Only http and https become links."""
    assert 'href="javascript' not in render(dashboard(task()), hub="javascript:alert(1)//")


def test_nothing_is_loaded_from_anywhere(sqlite_url: str) -> None:
    """No script, and a policy that allows the one style that is there, by its hash."""
    store = Store.open(sqlite_url, Rules())
    store.add_warcs(CRAWL, paths(4))
    with serving(store, Rules()) as server:
        answer = server.ask("GET", "/")
        assert "no crawl" not in answer.text.lower()
    store.close()
    style = re.search(r"<style>(.*?)</style>", answer.text, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; ")
    assert f"style-src 'sha256-{digest}'" in policy
    assert "frame-ancestors 'none'" in policy
    for word in ("<script", " src=", "url(", " style=", "onclick", "<link"):
        assert word not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_an_empty_server_says_what_to_do(sqlite_url: str) -> None:
    """No crawl: the command that brings one."""
    store = Store.open(sqlite_url, Rules())
    with serving(store, Rules()) as server:
        assert "finest tasks import" in server.ask("GET", "/").text
    store.close()


def test_the_page_is_made_once_for_many(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many look, the database is asked every five seconds."""
    store = Store.open(sqlite_url, Rules())
    asked = []
    statistics = store.statistics
    monkeypatch.setattr(store, "statistics", lambda block: (asked.append(block), statistics(block))[1])
    with serving(store, Rules()) as server:
        for _ in range(10):
            assert server.ask("GET", "/").status_code == 200
            assert server.ask("GET", "/v1/statistics").status_code == 200
    store.close()
    assert len(asked) <= 2
