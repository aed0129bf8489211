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
# The core reads strangers' pages, so it is hardened as the OpenSSF advises ("Compiler Options Hardening Guide for C and
# C++"). Of each line's choices the first that compiler and linker know is used. None changes a result.
HARDENED = (
    (["-fstack-protector-strong"],),  # a frame that was written over ends the process
    (["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=3"], ["-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"]),  # memcpy checks sizes
    (["-fstack-clash-protection"],),  # a large frame cannot step over the guard page at the stack's end
)
HARDENED_LINK = ((["-Wl,-z,relro", "-Wl,-z,now"],), (["-Wl,-z,noexecstack"],))  # tables of addresses are read-only
PROBE = "#include <string.h>\nint probe(void);\nint probe(void) { return 0; }\n"


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

    class HardenedBuild(build_ext):  # type: ignore[misc]
        def build_extension(self, ext: Extension) -> None:
            ext.extra_compile_args += known(self.compiler, HARDENED, Path(scratch))
            ext.extra_link_args += known(self.compiler, HARDENED_LINK, Path(scratch))
            super().build_extension(ext)

    sources = sorted(str(path) for path in (place / "core").glob("*.c"))
    extension = Extension("_core", sources, depends=[str(path) for path in (place / "core").glob("*.h")],
                          libraries=["m"], extra_compile_args=FLAGS)  # fmt: skip
    with tempfile.TemporaryDirectory() as scratch:
        command = HardenedBuild(Distribution({"name": "finest-data", "ext_modules": [extension]}))
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


def known(compiler: Any, options: tuple[tuple[list[str], ...], ...], scratch: Path) -> list[str]:
    """The flags of `options` that this compiler takes without a word; of each option's choices, the first such one."""
    return [flag for choices in options for flag in next((one for one in choices if takes(compiler, one, scratch)), [])]


def takes(compiler: Any, flags: list[str], scratch: Path) -> bool:
    """Whether a small file is compiled and linked with these flags."""
    from setuptools.errors import CompileError, LinkError

    source = scratch / "probe.c"
    source.write_text(PROBE)
    try:
        objects = compiler.compile(
            [str(source)], output_dir=str(scratch), extra_postargs=["-O2", "-Wall", "-Werror", *flags]
        )
        compiler.link_shared_object(objects, str(scratch / "probe.so"), extra_postargs=flags)
    except (CompileError, LinkError):
        return False
    return True


if __name__ == "__main__":  # python hatch_build.py: build in place, for work on the core
    build(Path(__file__).parent / PLACE)
