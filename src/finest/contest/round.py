"""Run a round: read the submissions, judge the pool, draw held-out text, train, and write the result.

Everything that is finished stays in the round's folder: a stopped round continues where it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import finest
from finest.contest.heldout import MIN_DOCUMENTS, HeldOut, held_out
from finest.contest.measure import Yield, bits_of, budget_of, shared, yield_of
from finest.contest.plan import BASELINE, PLAN_NAME, Entry, Plan, saved_plan, write_plan
from finest.contest.pool import Pool, Progress
from finest.contest.result import Document, Measured, Result, Similar, WindowRead, write_result
from finest.contest.submission import read_submission
from finest.contest.tracks import TRACKS
from finest.errors import FinestError, HubUnavailable, RunError, UsageError
from finest.recipe.recipe import SHIPPED, Recipe, installed_libraries, load_recipe
from finest.validator.quality.paired import Documents
from finest.validator.quality.tier import Tier, tier_of
from finest.validator.quality.tokens import ENGLISH

if TYPE_CHECKING:
    from collections.abc import Callable

    from finest.warc.source import Source

RESULT_NAME = "result.json"
MAX_REFUSAL = 300
MIN_TOKENS = 4_000
"""Training tokens of a fit at least; fewer teach a model nothing that could be told from chance."""
_NEEDED = 1.1
"""Tokens of the pool over those that are trained on, since folds are not equally large."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An entry whose submission was read, or the reason why it was refused."""

    entry: Entry
    recipe: Recipe | None
    digest: str = ""
    refused: str = ""


def run_round(
    plan: Plan, folder: Path, pool_sources: Sequence[Source], heldout_sources: Sequence[Source], cache: Path, *,
    device: str | None = None, progress: Progress, say: Callable[[str], None] = lambda _: None,
) -> Result:  # fmt: skip
    """Run the round in `folder` and return its result, which is also written there.

    Raises UsageError if the folder belongs to another plan, SourceError or HubUnavailable if something cannot be read
    now, RunError if the pool or the held-out text is too small.
    """
    plan = plan.complete()
    _claim(folder, plan)
    if {source.name for source in pool_sources} & {source.name for source in heldout_sources}:
        raise UsageError("a WARC of the pool is named for held-out text too; name others")
    tier = tier_of(plan.tier, device if plan.tier == 2 else None)
    opened = [open_entry(entry, cache) for entry in plan.entries]
    for one in opened:
        if one.refused:
            say(f"{one.entry.place}: refused: {one.refused}")
    recipes = {one.recipe.hash: one.recipe for one in opened if one.recipe is not None}
    pool = Pool(plan, recipes, folder, cache)
    pool.read(list(pool_sources), _wanted(plan), progress)
    heldout = held_out(pool, heldout_sources, cache, plan.seed, progress)
    if len(heldout.texts) < MIN_DOCUMENTS:
        raise RunError(f"only {len(heldout.texts)} held-out documents: name more WARCs under heldout in the plan")
    result = _measure(plan, pool, opened, heldout, tier, folder, progress)
    write_result(folder / RESULT_NAME, result)
    return result


def open_entry(entry: Entry, cache: Path) -> Opened:
    """Read an entry's submission; what is wrong with it costs itself only. Raises HubUnavailable."""
    if entry.place in SHIPPED:
        return Opened(entry, load_recipe(entry.place))
    try:
        submission = read_submission(entry.place)
    except HubUnavailable:
        raise
    except FinestError as error:
        return Opened(entry, None, refused=str(error)[:MAX_REFUSAL])
    submission.install(cache)
    return Opened(entry, submission.recipe, submission.digest)


def _wanted(plan: Plan) -> int:
    """Return the tokens of the pool's reference that give every track its training tokens."""
    least = min(TRACKS[track].least for track in plan.tracks)
    return int(_NEEDED * plan.seeds * plan.tokens / least)


def _measure(
    plan: Plan, pool: Pool, opened: Sequence[Opened], heldout: HeldOut, tier: Tier, folder: Path, progress: Progress
) -> Result:
    yields = {key: yield_of(pool, key) for key in {_key(one) for one in opened if one.recipe} - pool.slow.keys()}
    reference = yield_of(pool, load_recipe(BASELINE).hash)
    budgets = {track: budget_of(track, reference, plan.tokens) for track in plan.tracks}
    documents = Documents.of(heldout.texts)
    found = []
    for place, one in enumerate(opened):
        refused = one.refused or _unfit(one, pool, yields, reference, budgets)
        bits: tuple[tuple[int, ...], ...] = ()
        if not refused:
            told = partial(_tell, progress, f"{one.entry.place}, track {one.entry.track}", place, len(opened))
            bits = bits_of(
                pool, _key(one), one.entry.track, budgets[one.entry.track], documents, tier, folder / "fits", told
            )
        found.append(_measured(one, refused, yields, bits))
    progress("Learning", 1.0, f"{len(opened)} entries")
    return Result(
        plan=plan, version=finest.__version__, libraries=installed_libraries(), tier=tier.number,
        parts={"tokenizer": ENGLISH.sha256, **tier.parts}, runs_on=dict(tier.runs_on),
        windows=tuple(WindowRead(**window._asdict()) for window in pool.windows), reference_tokens=reference.tokens,
        budgets=budgets, documents=_documents(heldout.texts), near=heldout.near, entries=tuple(found),
        similar=tuple(_similar(opened, yields)),
    )  # fmt: skip


def _tell(progress: Progress, what: str, place: int, entries: int, _: str, share: float, words: str) -> None:
    progress("Learning", (place + share) / entries, f"{what}, {words}")


def _key(one: Opened) -> str:
    assert one.recipe is not None
    return one.recipe.hash


def _unfit(one: Opened, pool: Pool, yields: dict[str, Yield], reference: Yield, budgets: dict[int, int]) -> str:
    """Return why an entry cannot be measured; "" if it can."""
    track = TRACKS[one.entry.track]
    if _key(one) in pool.slow:
        return pool.slow[_key(one)]
    if budgets[track.percent] < MIN_TOKENS:
        return f"the pool is too small for track {track.percent}: it gives {budgets[track.percent]:,} training tokens"
    share = yields[_key(one)].tokens / max(reference.tokens, 1)
    if not one.entry.incumbent and not track.holds(share):
        return (
            f"keeps {share:.1%} of what fineweb keeps, and track {track.percent} is for {track.least:.1%} to "
            f"{track.most:.1%}"
        )
    return ""


def _measured(one: Opened, refused: str, yields: dict[str, Yield], bits: tuple[tuple[int, ...], ...]) -> Measured:
    kept = yields.get(one.recipe.hash) if one.recipe else None
    return Measured(
        entry=one.entry, recipe=one.recipe.name if one.recipe else "",
        recipe_hash=one.recipe.hash if one.recipe else "",
        digest=one.digest, refused=refused, pages=kept.pages if kept else 0, tokens=kept.tokens if kept else 0,
        texts_sha256=kept.texts_sha256 if kept else "", bits=bits,
    )  # fmt: skip


def _documents(texts: Sequence[str]) -> tuple[Document, ...]:
    """Describe the documents in the order of `Documents.of`."""
    found = [text.encode("utf-8", "replace") for text in sorted(texts)]
    return tuple(Document(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data)) for data in found)


def _similar(opened: Sequence[Opened], yields: dict[str, Yield]) -> list[Similar]:
    """Return how much any two entries of a track have in common."""
    found = []
    for later, one in enumerate(opened):
        for earlier, other in enumerate(opened[:later]):
            if one.recipe and other.recipe and one.entry.track == other.entry.track:
                pair = yields.get(other.recipe.hash), yields.get(one.recipe.hash)
                if pair[0] and pair[1]:
                    both = shared(pair[0], pair[1])
                    found.append(Similar(earlier=earlier, later=later, texts=both.texts, pages=both.pages))
    return found


def _claim(folder: Path, plan: Plan) -> None:
    """Make the folder the plan's; raises UsageError if it is another one's."""
    folder.mkdir(parents=True, exist_ok=True)
    before = saved_plan(folder / PLAN_NAME)
    if before is None:
        if any(folder.iterdir()):
            raise UsageError(f"{folder} holds other files; name a new folder with --out")
        write_plan(folder / PLAN_NAME, plan)
    elif before.complete() != plan:
        raise UsageError(f"{folder} belongs to another round; name another folder with --out")
