"""Settings from the environment."""

from __future__ import annotations

import pytest

from finest.errors import UsageError
from finest.settings import load_settings


@pytest.mark.parametrize("name", ["FINEST_CACH", "FINEST_CC_HTTP", "FINEST_CAHCE"])
def test_a_misspelt_setting_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "x")
    with pytest.raises(UsageError, match=rf"unknown setting {name} .*did you mean FINEST_C"):
        load_settings()


@pytest.mark.parametrize("name", ["FINEST_PY", "FINEST_HOME", "FINEST_CACHE_PORT", "FINEST_SERVICE_HOST"])
def test_variables_of_others_are_left_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, "tcp://10.0.0.1:80")
    load_settings()
