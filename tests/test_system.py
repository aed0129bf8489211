"""A system that is not served is named, with the reason."""

from __future__ import annotations

import sys
import sysconfig
from collections import namedtuple
from typing import Any

import pytest

from finest.system import unserved

Version = namedtuple("Version", "major minor micro releaselevel serial")


def test_this_one_is_served() -> None:
    """The tests run on a system that Finest Data is made for."""
    assert unserved() is None


@pytest.mark.parametrize(
    ("minor", "said"), [(9, "too old"), (10, None), (13, None), (14, "fasttext-predict has no release for it")]
)
def test_pythons(monkeypatch: pytest.MonkeyPatch, minor: int, said: str | None) -> None:
    """A version that the metadata would have refused is refused for a reason."""
    monkeypatch.setattr(sys, "version_info", Version(3, minor, 1, "final", 0))
    found = unserved()
    assert found is None if said is None else said in str(found)


@pytest.mark.parametrize(
    ("name", "value"),
    [("EXT_SUFFIX", ".cpython-312-x86_64-linux-musl.so"), ("HOST_GNU_TYPE", "x86_64-alpine-linux-musl")],
)
def test_musl(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    """Alpine's Python is known by either of the names that its builder left."""
    real = sysconfig.get_config_var

    def told(asked: str) -> Any:
        return value if asked == name else real(asked)

    monkeypatch.setattr(sysconfig, "get_config_var", told)
    assert "fastwarc and resiliparse have no wheels" in str(unserved())


def test_macos(monkeypatch: pytest.MonkeyPatch) -> None:
    """So is another kernel."""
    monkeypatch.setattr(sys, "platform", "darwin")
    assert str(unserved()).startswith("darwin is not served, Linux is")
