"""`finest validate`: checks everything that a validator needs, then starts its chores."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING

from finest.atomic_files import alone
from finest.dataset.hub import Hub
from finest.errors import HubError, HubUnavailable, NeedsPerson, TaskServerUnavailable, UsageError
from finest.pipeline.preflight import preflight
from finest.tasks.client import TaskServer
from finest.tasks.crawls import CommonCrawl
from finest.validator.admission import known_recipes
from finest.validator.loop.assignment import Assignments
from finest.validator.loop.contact import Contact
from finest.validator.loop.heldout import HeldOut
from finest.validator.loop.judge import Judge
from finest.validator.loop.publishing import Publishing
from finest.validator.loop.queue import Queue
from finest.validator.loop.updating import Updater
from finest.validator.loop.validator import Validator
from finest.validator.telemetry import Telemetry

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import FrameType

    from finest.chain.options import ChainOptions
    from finest.chain.subnet import Chain
    from finest.chain.wallet import Hotkey
    from finest.settings import Settings
    from finest.validator.loop.options import ValidateOptions
    from finest.validator.loop.periodic import Round

RESTART = 75
"""Exit status if a newer release does not start (EX_TEMPFAIL of sysexits.h), so that a supervisor restarts finest."""
CALL_S = 60.0
"""Time that a call to the task server is retried before its chore fails."""

Chores = Callable[["Chain", TaskServer, Callable[[str], None]], "Mapping[str, Round]"]
"""Makes chores of other parts for a validator, given its connections and where it speaks."""


def _no_chores(_chain: Chain, _server: TaskServer, _say: Callable[[str], None]) -> Mapping[str, Round]:
    return {}


def validate(
    options: ValidateOptions, database_url: str | None, chain_options: ChainOptions, settings: Settings,
    say: Callable[[str], None], *, once: bool, chores: Chores = _no_chores,
) -> int:  # fmt: skip
    """Run the validator until a stop signal, or once; returns the exit status. Continues as a newer release if it may.

    `chores` gives more chores by name, which share its connection to the chain; each runs once with `once`.

    Raises NeedsPerson for problems that no restart fixes, ChainError and TaskServerError if the first look fails.
    """
    if options.update is None or once:
        return _validate(options, database_url, chain_options, settings, say, once=once, chores=chores)
    updating = Updater(options.work / "updates", options.update, say)
    updating.launch()
    try:
        status = _validate(options, database_url, chain_options, settings, say, updating=updating, chores=chores)
    except NeedsPerson:
        updating.stopped()
        raise
    if not updating.is_due:
        updating.stopped()
        return status
    updating.launch()
    return RESTART


def _validate(
    options: ValidateOptions, database_url: str | None, chain_options: ChainOptions, settings: Settings,
    say: Callable[[str], None], *, once: bool = False, updating: Updater | None = None, chores: Chores = _no_chores,
) -> int:  # fmt: skip
    from finest.chain.subnet import Chain

    if not settings.api_url:
        raise NeedsPerson("API_URL is not set: put the task server's address in .env or in the environment")
    with ExitStack() as stack:
        stack.enter_context(alone(options.work, "validator"))
        stop = stack.enter_context(StopSignals(say))
        chain = stack.enter_context(Chain(chain_options))
        hotkey = chain.hotkey
        server = TaskServer(
            settings.api_url, hotkey, receiver=settings.api_hotkey, deadline_s=CALL_S, say=say, stop=stop.asked
        )
        stack.callback(server.close)
        queue = Queue.open(database_url or f"sqlite:///{options.work / 'validator.db'}")
        stack.callback(queue.close)
        _check_early(chain, server, settings, say)
        telemetry = Telemetry.open(options.wandb, options.work / "telemetry", group=hotkey.address, say=say)
        stack.callback(telemetry.close)
        heldout = HeldOut(CommonCrawl(settings.cc_https, settings.cc_collinfo), server, say)
        contact = Contact()
        assignments = Assignments(chain, server, queue, contact)
        judge = Judge(options, settings, chain, queue, assignments, heldout, telemetry, stop.asked, say)
        publishing = _publishing(options, queue, hotkey, judge, say)
        validator = Validator(options, chain, server, queue, judge, telemetry, stop.asked, say, publishing, contact)
        more = dict(chores(chain, server, say))
        if once:
            for chore in more.values():
                chore()
            validator.once()
        else:
            more |= {"update": partial(updating.round, validator.all_ran_once, stop.asked)} if updating else {}
            validator.run(more)
        return stop.exit_code


def _publishing(
    options: ValidateOptions, queue: Queue, hotkey: Hotkey, judge: Judge, say: Callable[[str], None]
) -> Publishing | None:
    """Return what publishes the evidence; None without a repository. Raises NeedsPerson if it can never publish."""
    if options.evidence_repo is None:
        say("The evidence is not published, so nobody can replay your verdicts; publish it with --evidence-repo NAME")
        return None
    try:
        repo = Hub(say=say).full_name(options.evidence_repo)
    except HubUnavailable:
        raise
    except (HubError, UsageError) as error:
        raise NeedsPerson(f"--evidence-repo: {error}") from error
    return Publishing(queue.batches, hotkey, repo, options.work.absolute(), judge.evidence_file, say)


def _check_early(chain: Chain, server: TaskServer, settings: Settings, say: Callable[[str], None]) -> None:
    """Check at the start what would otherwise fail late."""
    for recipe in known_recipes().values():
        preflight(recipe, settings.cache)
    view, info = chain.view(), None
    try:
        info = server.info()
    except TaskServerUnavailable as error:
        say(f"{error}. Weights are set without it, and verdicts go on for the tasks that are known")
    if info and info.netuid != view.netuid:
        raise NeedsPerson(
            f"the task server is subnet {info.netuid}'s, this validator is for subnet {view.netuid}: "
            f"give its API_URL, or --netuid {info.netuid}"
        )
    own = view.neuron(chain.hotkey.address)
    right = (
        "is not registered" if own is None else "may set weights" if own.validator_permit else "has no validator permit"
    )
    say(f"Hotkey {chain.hotkey.address} {right} on subnet {view.netuid}; task server {settings.api_url}")


class StopSignals:
    """Handles Ctrl-C and SIGTERM. A running verdict is dropped and repeated when the validator starts again."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.asked = threading.Event()
        self.exit_code = 0
        """The exit code by shell convention: 130 after Ctrl-C, 143 after SIGTERM."""
        self._say = say

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if not self.asked.is_set():
            self.exit_code = 128 + number
            self._say("Stopping. Nothing is lost: run the same command again to continue")
        self.asked.set()
