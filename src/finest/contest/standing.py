"""The standing after a round: the incumbents, the pay that is still due, and the first author of each recipe.

Pay follows the improvement. A win pays in proportion to the certain gain: FULL_BPB pays its whole track for
PAID_BLOCKS, and a larger gain pays for longer. So cutting one improvement into several wins pays less, because each
must be certain by itself, and holding an improvement back pays nothing. What nobody has earned is burned.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finest.atomic_files import write_whole
from finest.contest.decision import TrackDecision, decide
from finest.contest.plan import Entry
from finest.contest.result import Result
from finest.contest.tracks import TRACKS
from finest.errors import UsageError
from finest.recipe.recipe import SHIPPED, canonical_json, load_recipe

FULL_BPB = 0.02
"""A certain gain that pays the whole of a track, in bits per byte: a tenth of boilerplate costs two thirds of it."""
PAID_BLOCKS = 4 * 7 * 7200
"""Blocks for which a win of up to FULL_BPB is paid: four weeks."""
KEPT_ROUNDS = 3
"""Rounds in which an entry takes part without being committed again."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Incumbent(_Data):
    """The best recipe of a track."""

    place: str
    recipe: str
    recipe_hash: str
    hotkey: str
    block: int
    """The block of its commitment."""
    since_block: int


class Win(_Data):
    """A victory that is paid, or was."""

    track: int
    hotkey: str
    block: int
    """The block from which it is paid."""
    certain_bpb: float
    """The certain gain over the incumbent."""

    @property
    def rate(self) -> float:
        """The share of the track's pay."""
        return min(1.0, self.certain_bpb / FULL_BPB)

    @property
    def until_block(self) -> int:
        """The block at which its pay ends."""
        return self.block + int(PAID_BLOCKS * max(1.0, self.certain_bpb / FULL_BPB))


class Standing(_Data):
    """The state of the competition after a round."""

    schema_name: Literal["finest-contest-standing/1"] = Field(default="finest-contest-standing/1", alias="schema")
    number: int = -1
    """The last round that was decided."""
    block: int = 0
    results: tuple[str, ...] = ()
    """The sha256 of each round's result, oldest first."""
    incumbents: dict[int, Incumbent] = {}
    wins: tuple[Win, ...] = ()
    known: dict[str, str] = {}
    """The hotkey that was first with a recipe, by recipe hash; empty for the shipped ones."""
    variance: dict[int, float] = {}
    """The variance between folds that the next round assumes at least, by track."""
    entries: tuple[tuple[int, Entry], ...] = ()
    """Entries that take part again, with the number of rounds that they have left."""


def first_standing() -> Standing:
    """Return the state before the first round: nobody owns the shipped recipes."""
    return Standing(known={load_recipe(name).hash: "" for name in SHIPPED})


def advance(standing: Standing, result: Result, sha256: str) -> tuple[Standing, tuple[TrackDecision, ...]]:
    """Return the state after a round, and its decisions. The same arguments give the same state on every machine."""
    if sha256 in standing.results:
        raise UsageError("this result was decided before; there is nothing to do")
    found = decide(result, standing)
    incumbents, wins = dict(standing.incumbents), list(standing.wins)
    for one in found:
        if one.winner is not None:
            incumbents[one.track] = Incumbent(
                place=one.winner.entry.place, recipe=one.winner.recipe, recipe_hash=one.winner.recipe_hash,
                hotkey=one.winner.entry.hotkey, block=one.winner.entry.block, since_block=result.block,
            )  # fmt: skip
            wins.append(
                Win(track=one.track, hotkey=one.winner.entry.hotkey, block=result.block, certain_bpb=one.certain)
            )
    return standing.model_copy(update={
        "number": result.plan.number, "block": result.block, "results": (*standing.results, sha256),
        "incumbents": incumbents, "wins": tuple(win for win in wins if win.until_block > result.block),
        "known": _known(standing, result), "variance": standing.variance | {one.track: one.variance for one in found},
        "entries": _left(standing, result, found),
    }), found  # fmt: skip


def weights(standing: Standing, block: int, burn: str) -> dict[str, float]:
    """Return the weights of mechanism 1 at a block by hotkey, which add up to 1; `burn` gets what nobody has earned."""
    paid: defaultdict[str, float] = defaultdict(float)
    for track in TRACKS:
        wins = [win for win in standing.wins if win.track == track and win.block <= block < win.until_block]
        most = max(1.0, sum(win.rate for win in wins))
        for win in wins:
            paid[win.hotkey or burn] += win.rate / most / len(TRACKS)
    rest = 1.0 - sum(paid.values())
    if rest > 1e-9:
        paid[burn] += rest
    return dict(paid)


def _known(standing: Standing, result: Result) -> Mapping[str, str]:
    """Remember who was first with each recipe, by the block of the commitment."""
    known = dict(standing.known)
    for one in sorted(result.entries, key=lambda one: one.entry.block):
        if one.recipe_hash:
            known.setdefault(one.recipe_hash, one.entry.hotkey)
    return known


def _left(standing: Standing, result: Result, found: Sequence[TrackDecision]) -> tuple[tuple[int, Entry], ...]:
    """Return the entries that take part in the next round: those that were measured and have neither won nor copied."""
    left = {entry: rounds for rounds, entry in standing.entries}
    won = {one.winner.entry for one in found if one.winner is not None}
    copies = {place for one in found for place in one.copies}
    again = []
    for place, one in enumerate(result.entries):
        rounds = left.get(one.entry, KEPT_ROUNDS) - 1
        if rounds > 0 and one.bits and not one.entry.incumbent and one.entry not in won and place not in copies:
            again.append((rounds, one.entry))
    return tuple(again)


def read_standing(path: Path) -> Standing:
    """Read a state, or return the first one if there is no file. Raises UsageError."""
    if not path.exists():
        return first_standing()
    try:
        return Standing.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError) as error:
        raise UsageError(f"{path} is no state of finest contest: {str(error)[:300]}") from error


def write_standing(path: Path, standing: Standing) -> None:
    """Write a state as canonical JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, canonical_json(standing.model_dump(mode="json", by_alias=True)) + b"\n")
