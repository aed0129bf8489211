"""The result of a round: canonical JSON with everything that the decision depends on, in integers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finest.atomic_files import write_whole
from finest.contest.plan import Entry, Plan
from finest.errors import UsageError
from finest.recipe.recipe import canonical_json

MAX_BYTES = 256 << 20
PARTS = 1000
"""Costs of documents are in thousandths of a bit, so that no number depends on how a language prints fractions."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Document(_Data):
    """A held-out document."""

    sha256: str
    size_bytes: int = Field(ge=1)


class WindowRead(_Data):
    """A part of a WARC that was judged."""

    source: str
    first: int
    end: int
    sha256: str
    pages: int


class Measured(_Data):
    """The measurements of one entry."""

    entry: Entry
    recipe: str = ""
    """The recipe's name."""
    recipe_hash: str = ""
    digest: str = ""
    """The digest of the submission's files; empty for a shipped recipe."""
    refused: str = ""
    """Why it does not take part; empty if it does."""
    pages: int = 0
    tokens: int = 0
    """Pages and tokens that it keeps, without near-duplicates."""
    texts_sha256: str = ""
    """The sha256 over the sources, offsets and texts of these pages."""
    bits: tuple[tuple[int, ...], ...] = ()
    """The cost of each document in thousandths of a bit: one row per fold."""


class Similar(_Data):
    """The share of tokens that two entries of a track have in common, in thousandths."""

    earlier: int
    later: int
    """Places in the result's entries."""
    texts: int
    """In pages that both keep, with equal texts."""
    pages: int
    """In pages that both keep."""


class Result(_Data):
    """A round that was run."""

    schema_name: Literal["finest-contest-result/1"] = Field(default="finest-contest-result/1", alias="schema")
    plan: Plan
    """The plan that was run, with the seed and the WARCs, from which anybody can run the round again."""
    version: str
    libraries: dict[str, str]
    tier: int
    parts: dict[str, str]
    """The sha256s of the files of the tier's model."""
    runs_on: dict[str, str]
    """For tier 2, the device and the release of PyTorch, on which the last digits depend."""
    windows: tuple[WindowRead, ...]
    reference_tokens: int
    """Tokens that `fineweb` keeps of the pool."""
    budgets: dict[int, int]
    """Training tokens of each fit, by track."""
    documents: tuple[Document, ...]
    near: int
    """Held-out documents that were left out because the pool has their text."""
    entries: tuple[Measured, ...]
    similar: tuple[Similar, ...]

    @property
    def block(self) -> int:
        """The block at which the submissions closed."""
        return self.plan.block

    def to_json(self) -> bytes:
        """Return the result as canonical JSON."""
        return canonical_json(self.model_dump(mode="json", by_alias=True)) + b"\n"


def write_result(path: Path, result: Result) -> None:
    """Write the result."""
    write_whole(path, result.to_json())


def read_result(path: Path) -> Result:
    """Read a result; raises UsageError if the file is none."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UsageError(f"{path} is larger than any result")
        return Result.model_validate(json.loads(path.read_bytes()))
    except (OSError, ValueError, ValidationError, RecursionError) as error:
        raise UsageError(f"{path} is no result of finest contest run: {str(error)[:300]}") from error
