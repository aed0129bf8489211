"""The ids of kept pages, in a file that processes share."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from finest.pipeline.dedup.names import Names

SURVIVOR = np.array([0, 0, 2, 2, 6, 2, 6], np.int32)
"""Pages 0, 2 and 6 are kept instead of others."""


def test_ids_of_kept_pages_are_remembered_whatever_they_are(tmp_path: Path) -> None:
    """Short, long and strange ones; those of other pages are not."""
    names = Names(SURVIVOR, tmp_path)
    ids = ["<urn:uuid:0>", "no", "x" * 63, "no", "no", "no", "ÿ" * 500 + "\ud800"]
    names.learn(np.arange(4), ids[:4])
    names.learn(np.arange(4, 7), ids[4:])
    assert [names[page] for page in (0, 2, 6)] == [ids[0], ids[2], ids[6]]
    names.learn(np.array([2]), ["y" * 64])
    assert names[2] == "y" * 64


def test_an_id_that_was_not_learned_is_unknown(tmp_path: Path) -> None:
    """And a run without duplicates has no such pages."""
    assert Names(SURVIVOR, tmp_path)[2] is None
    Names(np.arange(3), tmp_path).learn(np.arange(3), ["a", "b", "c"])


def test_what_another_process_learns_is_known_here(tmp_path: Path) -> None:
    """The processes of an assembly share the ids."""
    names = Names(SURVIVOR, tmp_path)
    if (child := os.fork()) == 0:
        names.learn(np.arange(7), [f"{page}" * 70 for page in range(7)])
        os._exit(0)
    os.waitpid(child, 0)
    assert [names[page] for page in (0, 2, 6)] == ["0" * 70, "2" * 70, "6" * 70]
