"""Which model measures, and what is said where it cannot."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from finest.errors import UsageError
from finest.validator.quality.tier import N_GRAMS, tier_of
from tests.deep import sampled


def test_the_first_tier_takes_no_device_and_keeps_nothing() -> None:
    """An option that would do nothing is refused."""
    assert tier_of(1) is N_GRAMS
    with pytest.raises(UsageError, match="--tier 2"):
        tier_of(1, device="cpu")
    with pytest.raises(UsageError, match="--tier 2"):
        tier_of(1, save=Path("models"))


@pytest.mark.parametrize("missing", sampled(["torch", "safetensors"]))
def test_without_its_packages_the_second_says_what_to_install(missing: str) -> None:
    """One line that can be copied."""
    code = (
        f"import sys; sys.modules[{missing!r}] = None; from finest.cli import main; sys.argv = sys.argv[:1] + "
        "['quality', 'folder', '--tier', '2', '--seed', 'aa']; main()"
    )
    told = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=300)
    assert told.returncode == UsageError.exit_code
    assert "is not installed; --tier 2 needs: pip install 'finest-data[gpu]'" in told.stderr
    assert "Traceback" not in told.stderr
