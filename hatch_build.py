"""Builds the compiled core with the wheel, or in place for an editable installation; goes on without a C compiler.

FINEST_NATIVE=0 leaves it out; FINEST_NATIVE=require makes a failure to build it an error, for wheels.
"""

from __future__ import annotations

import os
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PLACE = Path("src", "finest", "recipe", "native")
# Without contraction a product and a sum are rounded one after the other, as Python rounds them.
FLAGS = ["-std=c11", "-O3", "-g0", "-ffp-contract=off", "-fvisibility=hidden"]


class NativeHook(BuildHookInterface):  # type: ignore[misc]
    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        wanted = os.environ.get("FINEST_NATIVE", "1")
        place = Path(self.root, PLACE)
        for old in place.glob(f"_core*{sysconfig.get_config_var('EXT_SUFFIX')}"):
            old.unlink()
        if wanted == "0":
            return
        try:
            built = build(place)
        except Exception as error:
            if wanted == "require":
                raise
            self.app.display_warning(
                f"no compiled core: {error}. The package works without it, and extraction takes about three times the "
                "CPU. Install a C compiler and Python's headers, then install again."
            )
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append(str(PLACE / built.name))


def build(place: Path) -> Path:
    """Compile the core into its package folder; raises whatever the compiler's absence or errors raise."""
    from setuptools import Distribution, Extension
    from setuptools.command.build_ext import build_ext

    sources = sorted(str(path) for path in (place / "core").glob("*.c"))
    extension = Extension("_core", sources, depends=[str(path) for path in (place / "core").glob("*.h")],
                          libraries=["m"], extra_compile_args=FLAGS)  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        command = build_ext(Distribution({"name": "finest-data", "ext_modules": [extension]}))
        command.build_temp = scratch
        command.build_lib = scratch
        command.ensure_finalized()
        command.run()
        built = Path(command.get_ext_fullpath("_core"))
        target = place / built.name
        temporary = target.with_suffix(".tmp")
        temporary.write_bytes(built.read_bytes())
        temporary.replace(target)
    return target


if __name__ == "__main__":  # python hatch_build.py: build in place, for work on the core
    build(Path(__file__).parent / PLACE)
