"""What `import finest` offers, and what it costs."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import finest
from finest import errors

HEAVY = ("datatrove", "pyarrow", "pydantic", "numpy", "lxml", "rich", "click", "typing")
"""`typing` alone takes ten times as long as all of ours."""
TYPED = Path(__file__).parents[1] / "typing" / "api.py"


def test_import_loads_nothing_heavy() -> None:
    """`import finest` and `dir(finest)` cost a few milliseconds: they import no package that does not come along."""
    code = (
        f"import sys; old = set(sys.modules); import finest; dir(finest); print({HEAVY} & (sys.modules.keys() - old))"
    )
    code = code.replace(f"{HEAVY}", f"set({HEAVY})")
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", _with_path(code)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def _with_path(code: str) -> str:
    """Without `site`, whose .pth files may import anything, the package is found by its place alone."""
    return f"import sys; sys.path.insert(0, {str(Path(finest.__file__).parents[1])!r}); {code}"


def test_every_public_name_is_there_and_explained() -> None:
    """`dir(finest)` lists the names, each can be had, each function and class says what it is for."""
    assert set(finest.__all__) <= set(dir(finest))
    for name in finest.__all__:
        value = getattr(finest, name)
        assert not (inspect.isfunction(value) or inspect.isclass(value)) or name in _told_elsewhere() or value.__doc__


def _told_elsewhere() -> set[str]:
    """Errors are explained in the tree at the top of errors.py."""
    return {name for name in vars(errors) if name in (errors.__doc__ or "")}


def test_every_error_is_public() -> None:
    """Whatever Finest Data raises on purpose can be caught by a public name."""
    kinds = {name for name, kind in vars(errors).items() if inspect.isclass(kind) and issubclass(kind, Exception)}
    assert kinds <= set(finest.__all__)
    assert all(getattr(finest, name) is getattr(errors, name) for name in kinds)


def test_type_checkers_are_told_the_same_names() -> None:
    """The imports for type checkers and the names that are imported on demand are the same, from the same modules."""
    tree = ast.parse(Path(finest.__file__).read_text(encoding="utf-8"))
    told = {
        alias.name: node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.asname == alias.name
    }
    assert told == finest._MODULE_OF


def test_an_unknown_name_is_an_attribute_error() -> None:
    """A misspelt name fails as in any other module."""
    with pytest.raises(AttributeError, match="no attribute 'refin'"):
        _ = finest.refin  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.nightly  # `make check` does the same with the types that it has read already
def test_a_users_program_type_checks(pytestconfig: pytest.Config, tmp_path: Path) -> None:
    """`mypy --strict` finds every type of the public API, skips no import, and refuses wrong calls."""
    pytest.importorskip("mypy")
    assert (Path(finest.__file__).parent / "py.typed").is_file()
    cache = pytestconfig.cache.mkdir("mypy") if pytestconfig.cache else tmp_path
    (tmp_path / "mypy.ini").write_text("[mypy]\n")
    options = ["--strict", "--config-file", tmp_path / "mypy.ini", "--cache-dir", cache]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *options, TYPED], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr
