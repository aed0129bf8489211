"""What the doctor says of a task server's answer."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from finest.chain.options import ChainOptions
from finest.doctor import server
from finest.doctor.subject import Answer, Subject
from finest.findings import State
from finest.settings import Settings
from finest.tasks.models import Rules, ServerInfo

HOTKEY = "5GrwvaEF5zXb26Fz9rcQpDWS57CtERHpNehXCPcNoHGKutQY"


def subject(*, skew_s: float = 0.0, took_s: float = 0.1, url: str = "https://tasks.example.org") -> Subject:
    """A set-up whose clock is `skew_s` ahead of the server's."""
    now = time.time()
    info = ServerInfo(
        version="1", hotkey=HOTKEY, netuid=63, block=7, block_time_s=12, time_s=now + took_s / 2 - skew_s, rules=Rules()
    )
    made = Subject(Settings(cache=Path("/nowhere"), api_url=url), ChainOptions())
    made.server.value = Answer(info, now, now + took_s)
    return made


@pytest.mark.parametrize(
    ("skew_s", "state"),
    [
        (0, State.OK), (1, State.OK), (-1, State.OK), (4, State.WARNING), (-20, State.WARNING), (6, State.FAILURE),
        (-31, State.FAILURE), (3600, State.FAILURE),
    ],
)  # fmt: skip
def test_clock(skew_s: float, state: State) -> None:
    """A signature is taken for 30 s, and from 5 s ahead: a clock beyond that is a failure with the command for NTP."""
    found = server.clock(subject(skew_s=skew_s))
    assert found.state is state, found
    assert (found.mend is None) == (state is State.OK)


def test_a_slow_answer_is_no_skew() -> None:
    """What the server says while the question is on its way does not count against the clock."""
    assert server.clock(subject(took_s=9.0)).state is State.OK


def test_limits_are_those_of_the_signatures() -> None:
    """The doctor's bounds are the ones that signed requests are refused by."""
    auth = pytest.importorskip("finest.chain.auth")
    assert (server.BEHIND_S, server.AHEAD_S) == (auth.MAX_AGE_S, auth.SKEW_S)


def test_http_without_a_known_hotkey() -> None:
    """Over plain http nothing vouches for the server but API_HOTKEY."""
    found = server.server_hotkey(subject(url="http://tasks.example.org"))
    assert found.state is State.WARNING
    assert found.mend == f"echo API_HOTKEY={HOTKEY} >> .env"
    assert server.server_hotkey(subject(url="http://127.0.0.1:8000")).state is State.OK
    assert server.server_hotkey(subject()).state is State.OK
