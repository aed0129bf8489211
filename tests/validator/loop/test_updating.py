"""The chore that goes on as a newer release."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from finest.errors import UsageError
from finest.validator.loop.updating import CHECK_RELEASE_S, POLL_S, UpdateOptions, Updater
from tests.validator.update.source import Source, environment


@pytest.mark.slow
@pytest.mark.nightly
def test_a_release_is_installed_after_the_first_pass(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is looked for before; then it is installed, and the validator is asked to stop."""
    monkeypatch.setenv("SITE", environment()["SITE"])
    home, stop, said = tmp_path / "updates", threading.Event(), list[str]()
    updating = Updater(home, UpdateOptions(str(source.folder), source.signers), said.append)
    source.release("90.2.0")
    assert updating.round(lambda: False, stop) == POLL_S
    assert not home.exists() or "chosen" not in (home / "update.json").read_text()
    assert updating.round(lambda: True, stop) == CHECK_RELEASE_S
    assert stop.is_set()
    assert updating.is_due
    assert json.loads((home / "update.json").read_bytes())["chosen"] == "v90.2.0"
    assert said[-1] == "v90.2.0 is installed: going on with it"


def test_nothing_newer_stops_nothing(source: Source, tmp_path: Path) -> None:
    """A source without a release is looked at again later."""
    stop = threading.Event()
    updating = Updater(tmp_path / "updates", UpdateOptions(str(source.folder), source.signers), print)
    source.commit("0.1.0")
    assert updating.round(lambda: True, stop) == CHECK_RELEASE_S
    assert not stop.is_set()


def test_signers_have_to_be_there(tmp_path: Path) -> None:
    """It is said before the validator starts."""
    with pytest.raises(UsageError):
        Updater(tmp_path / "updates", UpdateOptions("https://example.org/x", tmp_path / "none"), print)
