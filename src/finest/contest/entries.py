"""Collect the entries of a round from the chain: seals as they stood when it closed, openings a day later."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from finest.chain.recipe_lines import Text, decode_opening, decode_seal, sealed
from finest.contest.plan import Entry, Plan
from finest.contest.standing import Standing
from finest.contest.submission import read_submission
from finest.contest.tracks import TRACKS
from finest.errors import FinestError, HubUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.chain.subnet import Chain
    from finest.contest.calendar import Calendar

MAX_NEW = 32
"""New entries of a round, over all tracks; of more, the seed draws. 32 take a validator about a day and a half of one
core."""
POOL_WARCS, HELDOUT_WARCS = 10, 4


def collected(
    chain: Chain, calendar: Calendar, number: int, standing: Standing, say: Callable[[str], None]
) -> tuple[Entry, ...]:
    """Return the entries of a round: the incumbents, those of earlier rounds that are left, and the new ones.

    Raises ChainError if the chain cannot be read at the round's blocks, HubUnavailable if a repository cannot be read.
    """
    seals, openings = chain.texts(calendar.close(number)), chain.texts(calendar.opened(number))
    new = opened_entries(seals, openings, calendar.number_at, number, say)
    drawn = limited(new, chain.block_hash(calendar.seed(number)), seals)
    replaced = {(entry.hotkey, entry.track) for entry in drawn}
    again = [entry for _, entry in standing.entries if (entry.hotkey, entry.track) not in replaced]
    return (*incumbents(standing), *again, *drawn)


def incumbents(standing: Standing) -> tuple[Entry, ...]:
    """Return the entries of the incumbents; the plan adds the baseline for the other tracks."""
    return tuple(
        Entry(place=one.place, track=track, hotkey=one.hotkey, block=one.block, incumbent=True)
        for track, one in sorted(standing.incumbents.items())
    )


def opened_entries(
    seals: Mapping[str, Text], openings: Mapping[str, Text], number_at: Callable[[int], int], number: int,
    say: Callable[[str], None],
) -> list[Entry]:  # fmt: skip
    """Return an entry for each seal of the round that was opened rightly, by age of the seal."""
    found = []
    for hotkey, text in sorted(seals.items(), key=lambda item: (item[1].block, item[0])):
        seal = decode_seal(text.text)
        if seal is None or seal.track not in TRACKS or number_at(text.block) != number:
            continue
        opening = decode_opening(openings[hotkey].text) if hotkey in openings else None
        if opening is None:
            say(f"{hotkey}: sealed and not opened")
            continue
        try:
            digest = read_submission(opening.place).digest
        except HubUnavailable:
            raise
        except FinestError as error:
            say(f"{hotkey}: {opening.place}: {error}")
            continue
        if sealed(hotkey, seal.track, digest, opening.salt) != seal:
            say(f"{hotkey}: {opening.place} is not what was sealed")
            continue
        found.append(Entry(place=opening.place, track=seal.track, hotkey=hotkey, block=text.block))
    return found


def limited(entries: Sequence[Entry], seed: str, seals: Mapping[str, Text]) -> list[Entry]:
    """Return at most one entry for each coldkey and track, the earliest, and at most MAX_NEW, drawn by the seed."""
    first: dict[tuple[str, int], Entry] = {}
    for entry in entries:
        coldkey = seals[entry.hotkey].coldkey if entry.hotkey in seals else entry.hotkey
        first.setdefault((coldkey, entry.track), entry)
    kept = list(first.values())
    if len(kept) > MAX_NEW:
        chosen = set(random.Random(f"finest-contest-entries/1 {seed}").sample(range(len(kept)), MAX_NEW))
        kept = [entry for place, entry in enumerate(kept) if place in chosen]
    return kept


def drawn_warcs(paths: Sequence[str], seed: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Draw the pool's WARCs and those for held-out text from the server's list, by the seed; no WARC is in both."""
    most = min(len(paths), POOL_WARCS + HELDOUT_WARCS)
    order = random.Random(f"finest-contest-warcs/1 {seed}").sample(sorted(set(paths)), most)
    held = max(1, most * HELDOUT_WARCS // (POOL_WARCS + HELDOUT_WARCS))
    return tuple(order[held:]), tuple(order[:held])


def planned(number: int, seed: str, block: int, paths: Sequence[str], entries: Sequence[Entry], tier: int) -> Plan:
    """Return the plan of a round."""
    pool, heldout = drawn_warcs(paths, seed)
    return Plan.model_validate({
        "number": number, "seed": seed, "block": block, "warcs": pool, "heldout": heldout, "tier": tier,
        "entries": tuple(entries),
    })  # fmt: skip
