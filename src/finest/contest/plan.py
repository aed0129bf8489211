"""The plan of a round: the pages, the entries and the settings, written as TOML or collected from the chain."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from finest.atomic_files import write_whole
from finest.contest.tracks import TRACKS
from finest.errors import UsageError
from finest.recipe.recipe import canonical_json, tomllib

PLAN_NAME = "plan.json"
MAX_ENTRIES = 256
"""Entries of a round: the seats of a subnet."""
BASELINE = "fineweb"
"""The incumbent of a track that nobody has won yet. Drawn to as many tokens as the others, it is a random share of what
`fineweb` keeps."""

Percent = Annotated[int, Field(ge=1, le=100)]


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Entry(_Data):
    """One submission in one track."""

    place: str = Field(min_length=1, max_length=4096)
    """REPO@REVISION, a folder, or the name of a shipped recipe."""
    track: Percent
    hotkey: str = Field(default="", max_length=64)
    """Who is paid; empty for the baseline and for trials."""
    block: int = Field(default=0, ge=0)
    """The block of the commitment: the earlier one wins ties."""
    incumbent: bool = False

    @field_validator("track")
    @classmethod
    def _is_a_track(cls, track: int) -> int:
        if track not in TRACKS:
            raise ValueError(f"is no track; tracks are {', '.join(map(str, TRACKS))}")
        return track


class Plan(_Data):
    """A round before it is run. Equal plans give equal results on the same device, release and number of threads."""

    schema_name: Literal["finest-contest-round/1"] = Field(default="finest-contest-round/1", alias="schema")
    number: int = Field(default=0, ge=0)
    seed: str = Field(pattern=r"^(0x)?[0-9a-f]{2,128}$")
    """The hash of a block after the last opening."""
    block: int = Field(default=0, ge=0)
    """The block at which the submissions closed; margins and pay count from it."""
    warcs: tuple[str, ...] = Field(min_length=1, max_length=1000)
    """The pool: WARC files, folders or paths under data.commoncrawl.org."""
    heldout: tuple[str, ...] = Field(default=(), max_length=1000)
    """Other WARCs, for held-out text."""
    tier: Literal[1, 2] = 2
    tokens: int = Field(default=1_000_000, ge=1000)
    """Training tokens of a fit at most; fewer where the pool gives fewer."""
    seeds: int = Field(default=3, ge=2, le=20)
    """Folds of the pool, each of which trains a model of its own for every entry."""
    max_pages: int = Field(default=400_000, ge=1)
    """Pages that every recipe judges at most: some ten files of Common Crawl, at 13 ms a page an hour and a half."""
    entries: tuple[Entry, ...] = Field(default=(), max_length=MAX_ENTRIES)

    @property
    def tracks(self) -> tuple[int, ...]:
        """The tracks that have an entry, smallest first."""
        return tuple(sorted({entry.track for entry in self.entries}))

    def complete(self) -> Plan:
        """Return the plan with the baseline as the incumbent of every track that has none."""
        held = {entry.track for entry in self.entries if entry.incumbent}
        missing = [track for track in self.tracks if track not in held]
        added = [Entry(place=BASELINE, track=track, incumbent=True) for track in missing]
        return self.model_copy(update={"entries": (*self.entries, *added)})


def saved_plan(path: Path) -> Plan | None:
    """Read a plan that `write_plan` wrote; None if there is none."""
    return Plan.model_validate(json.loads(path.read_bytes())) if path.exists() else None


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan as canonical JSON: it is the round's, and the round continues by it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_whole(path, canonical_json(plan.model_dump(mode="json", by_alias=True)) + b"\n")


def read_plan(path: Path) -> Plan:
    """Read a plan from TOML, or from a round's plan.json; places are relative to its folder. Raises UsageError."""
    try:
        text = path.read_text(encoding="utf-8")
        plan = Plan.model_validate(json.loads(text) if path.suffix == ".json" else tomllib.loads(text))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UsageError(f"{path}: [{'.'.join(map(str, first['loc']))}] {first['msg']}") from error

    def whole(place: str) -> str:
        beside = path.parent / place
        return str(beside.absolute()) if beside.exists() else place

    entries = tuple(entry.model_copy(update={"place": whole(entry.place)}) for entry in plan.entries)
    places = {key: tuple(map(whole, getattr(plan, key))) for key in ("warcs", "heldout")}
    return plan.model_copy(update={"entries": entries, **places})
