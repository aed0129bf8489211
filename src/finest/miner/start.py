"""`finest mine`: checks everything that a miner needs, then runs its loop."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from finest.atomic_files import alone
from finest.chain.payload import ROOT_DIGITS, encode
from finest.errors import FinestError, NeedsPerson
from finest.miner.error_kinds import words_of
from finest.miner.loop import Miner
from finest.miner.retrying import Tries
from finest.miner.status_file import STOPPED, StatusFile
from finest.miner.steps import Steps
from finest.miner.stop import Stop, exit_code

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.chain.options import ChainOptions
    from finest.chain.subnet import Chain
    from finest.miner.steps import Display, MineOptions
    from finest.settings import Settings


CALL_S = 20.0
"""Time after which a failing call to the task server is reported. The loop then retries it without limit."""


def mine(
    options: MineOptions, chain_options: ChainOptions, settings: Settings, display: Display, *, hand_back: bool = False
) -> int:
    """Mine until told to stop; returns the exit status. Raises NeedsPerson for errors that no restart fixes."""
    say = display.say
    from finest.chain.subnet import Chain

    with alone(options.work, "miner"):
        now = StatusFile(options.work, options.workers)
        stop = Stop(lambda: say(_stop_message(now)))
        with stop, Chain(chain_options) as chain:
            try:
                _mine(options, chain, settings, stop, now, display, hand_back=hand_back)
            except KeyboardInterrupt:
                say(
                    "Stopped at once. Nothing is lost: run the same command again to continue"
                    if stop.at_once
                    else "Stopped"
                )
            except (FinestError, OSError) as error:  # the loop has handled transient errors and errors of tasks
                words = words_of(error, options.work)
                now.set(f"{STOPPED}: {words}")
                raise error if isinstance(error, NeedsPerson) else NeedsPerson(words) from error
            now.set(STOPPED)
        return exit_code(stop.signal)


def _mine(
    options: MineOptions, chain: Chain, settings: Settings, stop: Stop, now: StatusFile, display: Display, *,
    hand_back: bool,
) -> None:  # fmt: skip
    from finest.tasks.client import TaskServer

    say = display.say
    if not settings.api_url:
        raise NeedsPerson("API_URL is not set: put the task server's address in .env or in the environment")
    hotkey = chain.hotkey
    server = TaskServer(settings.api_url, hotkey, receiver=settings.api_hotkey, deadline_s=CALL_S)
    try:
        if not hand_back:
            repo = _check_early(options, chain, hotkey.address, Tries(options.work, stop, now, say), say)
            if repo is None:
                return
            options = replace(options, hf_repo=repo)
        say(f"Hotkey {hotkey.address}, subnet {options.netuid}, task server {settings.api_url}, work in {options.work}")
        steps = Steps(options, server, chain, now, display)
        miner = Miner(options, hotkey.address, server, steps, stop, now, say)
        miner.hand_back() if hand_back else miner.run()
    finally:
        server.close()


def _check_early(
    options: MineOptions, chain: Chain, hotkey: str, tries: Tries, say: Callable[[str], None]
) -> str | None:  # fmt: skip
    """Check early what would fail late; returns the repository's full name, or None if the miner is to stop."""
    from finest.chain.submission import not_registered
    from finest.dataset.hub import Hub
    from finest.dataset.permissions import check_right
    from finest.pipeline.preflight import preflight

    preflight(options.recipe, options.cache)

    def check_hub_and_chain() -> str:
        repo = Hub(say=say).full_name(options.hf_repo)
        encode(repo, "0" * 40, "0" * ROOT_DIGITS)  # refuses a name that is too long for a commitment
        check_right(repo)
        if chain.view().neuron(hotkey) is None:
            raise not_registered(hotkey, chain.options)
        return repo

    return tries.idle("reach the Hub and the chain", check_hub_and_chain)


def _stop_message(now: StatusFile) -> str:
    return (
        f"Stopping after this task ({now.doing.line()}). Ctrl-C again stops at once. "
        "Nothing is lost either way; run the same command again to continue"
    )
