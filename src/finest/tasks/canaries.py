"""Canaries: tasks whose datasets the operator makes good or bad on purpose, to see whether validators read them.

A canary is an ordinary task of an ordinary registered hotkey: `finest mine --canaries FILE` leases it, refines it, and
falsifies the dataset if it is to be bad, before it publishes, commits and finishes it. Nothing that a validator can see
tells it from another miner's task.

Every lease of a server with canaries gets a seal, whoever the miner is:

    key    HMAC-SHA256(secret, "finest-canary-key/1" and the day), where a day is 7,200 blocks of the lease
    kind   good or bad by HMAC-SHA256(key, "kind" and the task) for the operator's canary hotkeys, empty for all others
    seal   the day and SHA-256("finest-canary-seal/1", key, task, kind)

The seal is in the public log from the lease on, so the operator cannot call a task a canary afterwards, nor choose when
it knows who will judge it. Days later, when all verdicts on tasks of that day are public, the server reveals the key:
then anybody opens the seals of all tasks of the day.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import sqlalchemy as sa
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import bindparam

from finest.atomic_files import write_whole
from finest.errors import UsageError
from finest.tasks.lease_expiry import reopen_warcs
from finest.tasks.models import DAY_BLOCKS, Address, CanaryKind
from finest.tasks.problems import Problem
from finest.tasks.provenance import event, keep_order, record_event
from finest.tasks.tables import FINISHED, LIVE, claims, events, miners, tasks

if TYPE_CHECKING:
    from finest.tasks.models import Rules

REVEAL_DAYS = 3
"""Days after which the key of a day of leases is revealed. A lease lasts at most four lease lengths, a day by default,
its dataset is judged within another day, and the verdict is public when weights are revealed."""
MIN_FALSE, MAX_FALSE = 0.12, 0.3
"""Share of the rows that are falsified in a bad canary. At 12 % an audit of 128 rows misses it in 0.3 % of cases."""
KINDS: tuple[CanaryKind | Literal[""], ...] = ("", "good", "bad")
_SEAL = re.compile(r"([0-9]{1,12}):([0-9a-f]{64})", re.ASCII)
_MODE = 0o600
_ASK_AGAIN_BLOCKS = 50
_REVEAL_BATCH = 200


class Canaries(BaseModel):
    """The operator's secret plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format: Literal["finest-canaries/1"] = "finest-canaries/1"
    secret: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    share: Annotated[float, Field(gt=0, le=0.25)]
    """The largest share of a day's leases that are canaries."""
    hotkeys: Annotated[tuple[Address, ...], Field(min_length=1, max_length=256)]

    def key(self, day: int) -> str:
        """Return the key of a day, 64 hex digits."""
        return _mac(self.secret, f"finest-canary-key/1\n{day}").hex()

    def kind(self, hotkey: str, task_id: str, day: int) -> CanaryKind | Literal[""]:
        """Return what the task is: empty if the hotkey is none of the operator's canaries."""
        if hotkey not in self.hotkeys:
            return ""
        return "bad" if _mac(self.key(day), f"kind\n{task_id}")[0] < 128 else "good"

    def seal(self, hotkey: str, task_id: str, block: int) -> str:
        """Return the seal of a task that is leased at `block`."""
        day = block // DAY_BLOCKS
        return sealed(day, self.key(day), task_id, self.kind(hotkey, task_id, day))

    def opens(self, seal: str, hotkey: str, task_id: str) -> bool:
        """Return whether this plan made the seal of a task of one of its own hotkeys."""
        day = day_of(seal)
        if day is None or hotkey not in self.hotkeys:
            return False
        return sealed(day, self.key(day), task_id, self.kind(hotkey, task_id, day)) == seal

    def false_share(self, task_id: str, day: int) -> float:
        """Return the share of rows to falsify in a bad canary."""
        return MIN_FALSE + (MAX_FALSE - MIN_FALSE) * _mac(self.key(day), f"share\n{task_id}")[0] / 255


def sealed(day: int, key: str, task_id: str, kind: str) -> str:
    """Return the seal of a task."""
    digest = hashlib.sha256(f"finest-canary-seal/1\n{key}\n{task_id}\n{kind}".encode()).hexdigest()
    return f"{day}:{digest}"


def day_of(seal: str) -> int | None:
    """Return the day of a seal; None if it is no seal."""
    found = _SEAL.fullmatch(seal)
    return int(found[1]) if found else None


def opened(seal: str, key: str, task_id: str) -> CanaryKind | Literal[""] | None:
    """Return the kind of task that a key shows in a seal; None if the key does not open it."""
    day = day_of(seal)
    return next((kind for kind in KINDS if day is not None and sealed(day, key, task_id, kind) == seal), None)


def create(path: Path, share: float, hotkeys: Iterable[str]) -> Canaries:
    """Write a new plan with a new secret, readable by its owner only; raises UsageError if the file exists."""
    if path.exists():
        raise UsageError(f"{path} exists already; seals that were made with it could not be opened without it")
    try:
        plan = Canaries(secret=secrets.token_hex(32), share=share, hotkeys=tuple(dict.fromkeys(hotkeys)))
    except ValidationError as error:
        raise UsageError(f"no plan of canaries: {error.errors()[0]['msg']}") from None
    write_whole(path, json.dumps(plan.model_dump(mode="json"), indent=1).encode() + b"\n", _MODE)
    return plan


def read(path: Path) -> Canaries:
    """Read a plan; raises UsageError."""
    try:
        return Canaries.model_validate_json(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; write one with: finest tasks canaries {path} HOTKEY...") from None
    except ValidationError as error:
        raise UsageError(f"{path}: no plan of canaries ({error.errors(include_input=False)[0]['msg']})") from None


def _mac(key: str, text: str) -> bytes:
    return hmac.digest(bytes.fromhex(key), text.encode(), "sha256")


# in the server's database

_OWN = miners.c.hotkey.in_(bindparam("hotkeys", expanding=True))
_RECENT = (
    sa.select(sa.func.count(), sa.func.count().filter(_OWN))
    .select_from(tasks)
    .join(miners, miners.c.id == tasks.c.miner_id)
    .where(tasks.c.id >= bindparam("since_id"))
)
_DUE = (
    sa.select(tasks.c.id, tasks.c.seal, tasks.c.state, miners.c.hotkey)
    .join(miners, miners.c.id == tasks.c.miner_id)
    .where(_OWN, tasks.c.seal.is_not(None), tasks.c.canary.is_(None), tasks.c.leased_block < bindparam("before"))
    .order_by(tasks.c.id)
    .limit(_REVEAL_BATCH)
)
_STANDING = sa.select(tasks.c.id).where(
    tasks.c.id.in_(bindparam("task_ids", expanding=True)), FINISHED,
    sa.exists().where(claims.c.task_id == tasks.c.id, LIVE),
)  # fmt: skip


def check_share(connection: sa.Connection, plan: Canaries, hotkey: str, block_time_s: float = 12.0) -> None:
    """Raise Problem(no-work) for a canary hotkey while the canaries of the last day have their share."""
    if hotkey not in plan.hotkeys:
        return
    began_ms = int((time.time() - DAY_BLOCKS * block_time_s) * 1000)
    named = {"since_id": f"{max(0, began_ms):012x}", "hotkeys": plan.hotkeys}
    every, own = connection.execute(_RECENT, named).one()
    if own + 1 > plan.share * (every + 1):
        raise Problem("no-work", "the canaries have their share of the tasks", retry_after_blocks=_ASK_AGAIN_BLOCKS)


def reveal(connection: sa.Connection, rules: Rules, plan: Canaries, block: int) -> int:
    """Reveal the canaries of days that are REVEAL_DAYS old; returns how many.

    The WARCs of a bad one that still stands are leased again. All canaries of a day are revealed by one key.
    """
    keep_order(connection)  # two processes reveal no canary twice, and a reopening is in the log where it happened
    before = (block // DAY_BLOCKS - REVEAL_DAYS) * DAY_BLOCKS
    rows = connection.execute(_DUE, {"hotkeys": plan.hotkeys, "before": before}).all()
    changes, told, bad = [], [], []
    for row in rows:
        day = day_of(row.seal)
        key = plan.key(day) if day is not None else ""
        kind = opened(row.seal, key, row.id) if key else None
        if not kind:
            continue  # leased before the hotkey was in the plan
        changes.append({"its_id": row.id, "its_kind": kind, "its_key": key, "its_block": block})
        told.append(event(block, row.hotkey, row.id, "revealed", kind=kind, key=key))
        if kind == "bad":
            bad.append(row.id)
    if not changes:
        return 0
    connection.execute(_REVEAL, changes)
    connection.execute(sa.insert(events), told)
    standing = list(connection.execute(_STANDING, {"task_ids": bad}).scalars().all()) if bad else []
    if standing:
        reopen_warcs(connection, rules, standing, returned=True)
        hotkeys = {row.id: row.hotkey for row in rows}
        for task_id in standing:
            record_event(connection, block, hotkeys[task_id], task_id, "reopened")
    return len(changes)


_REVEAL = (
    sa.update(tasks)
    .where(tasks.c.id == bindparam("its_id"))
    .values(canary=bindparam("its_kind"), canary_key=bindparam("its_key"), revealed_block=bindparam("its_block"))
)
