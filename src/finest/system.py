"""Check that the system is supported: Linux with the GNU C library, and a Python version of the package metadata.

Metadata can exclude Python versions (`requires-python`) but not systems, so the commands and the doctor check it.
"""

from __future__ import annotations

import sys
import sysconfig

LEAST_PYTHON = (3, 10)
NEWEST_PYTHON = (3, 13)
"""Every recipe pins fasttext-predict 0.9.2.4, its latest release, which has wheels up to this Python version."""


def unserved() -> str | None:
    """Explain in one line why Finest Data does not run on this system; None if it does."""
    version = sys.version_info[:2]
    if version < LEAST_PYTHON:
        return f"Python {_dotted(version)} is too old: {_PYTHONS} are served"
    if version > NEWEST_PYTHON:
        return f"Python {_dotted(version)} is too new: fasttext-predict has no release for it; {_PYTHONS} are served"
    if sys.platform != "linux":
        return f"{sys.platform} is not served, Linux is: workers and limits use the Linux kernel's own interfaces"
    if is_musl():
        return (
            "musl systems (Alpine) are not served: fastwarc and resiliparse have no wheels for them; use Debian's image"
        )
    return None


def is_musl() -> bool:
    """Return whether this Python was built for the C library musl, according to its build configuration."""
    return any("musl" in str(sysconfig.get_config_var(name)) for name in ("EXT_SUFFIX", "HOST_GNU_TYPE"))


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))


_PYTHONS = f"{_dotted(LEAST_PYTHON)} to {_dotted(NEWEST_PYTHON)}"
