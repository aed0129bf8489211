"""Manifests that were made to do harm are refused, within seconds and without the memory that they would take."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from finest.dataset import limits
from finest.dataset.manifest import parse_manifest
from finest.errors import VerifyError

from .made import Made

SOON_S = 10.0
"""No hostile manifest may hold up who reads it longer."""


def lies(made: Made, **changes: Any) -> bytes:
    return json.dumps(made.manifest.model_dump(mode="json") | changes).encode()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda made: b" " * (limits.MAX_MANIFEST_BYTES + 1), "larger than"),
        (
            lambda made: lies(made)[:-1] + b', "x": [' + b"[]," * 5_000_000 + b"1]}",
            "values in .* bytes, which no honest manifest has",
        ),
        (lambda made: b"[" * 3_000_000, ""),
        (lambda made: lies(made, dumps=[f"CC-MAIN-2025-{n:06}" for n in range(200_000)]), "200000 dumps, at most"),
        (lambda made: lies(made, shards=[made.manifest.shards[0].model_dump()] * 11_000), "at most 10000"),
        (lambda made: lies(made, rows=41), "rows is 41"),
        (lambda made: b"[]", "not a JSON object"),
        (lambda made: b"\xff\xfe", ""),
    ],
    ids=["size", "values", "depth", "dumps", "files", "lie", "list", "bytes"],
)
def test_hostile_manifests_are_refused(large: Made, make: Callable[[Made], bytes], says: str) -> None:
    """Within a few seconds and without the memory that they would take."""
    began = time.monotonic()
    with pytest.raises(VerifyError, match=says or "manifest.json"):
        parse_manifest(make(large), "manifest.json")
    assert time.monotonic() - began < SOON_S


def padded(made: Made, key: str, value: str, count: int) -> bytes:
    """A manifest with a long list under that key, as long as it may be for its values, with spaces between."""
    said = lies(made, **{key: "HERE"}).decode()
    entry = value + " " * max(
        0, limits.BYTES_A_VALUE * sum(map(value.count, ",[{")) + limits.BYTES_A_VALUE - len(value)
    )
    return said.replace(
        '"HERE"', f"[{','.join([entry] * count)}]" if key != "recipe" else f'{{"a": [{entry}]}}'
    ).encode()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="memory is measured in a process of its own")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("sources", "{}"), ("shards", "{}"), ("dumps", "[]"), ("verdicts", '{"a":0}'), ("x", "{}"),
        ("recipe", ",".join(['{"b":1}' + " " * 32] * 60_000)),
        ("languages", "0"),
    ],
)  # fmt: skip
def test_a_manifest_costs_memory_in_proportion(large: Made, key: str, value: str) -> None:
    """At most 60 bytes for each of its own, whatever is wrong with it: 0.9 MB of `{}` once cost 2 GB of errors."""
    data = padded(large, key, value, 60_000 if key != "recipe" else 1)

    def peak_bytes(work: Callable[[], object]) -> int:
        pid = os.fork()
        if not pid:
            with suppress(VerifyError):
                work()
            os._exit(0)
        return os.wait4(pid, 0)[2].ru_maxrss * 1024

    assert peak_bytes(lambda: parse_manifest(data, "m")) - peak_bytes(int) < 60 * len(data)


def test_paths_out_of_the_folder_are_refused(large: Made) -> None:
    """A manifest cannot name a file of the reader's own."""
    for path in ("../../etc/passwd", "data/../../x/y.parquet", "/etc/x.parquet", "other/a/b.parquet", "data/x/y.json"):
        shards = [large.manifest.shards[0].model_dump() | {"path": path}, large.manifest.shards[1].model_dump()]
        with pytest.raises(VerifyError):
            parse_manifest(lies(large, shards=shards), "manifest.json")
