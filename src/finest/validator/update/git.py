"""Run git without prompts and without hooks, in a repository of our own."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from finest.errors import RunError

GIT_S = 180.0
"""Timeout of one call; fetching one commit of this project takes seconds."""
_WORDS_CHARS = 300
_SECRET = re.compile(r"(?<=://)[^/@\s]+@")
"""User name and password in an address."""
_ELSEWHERE = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR", "GIT_NAMESPACE")
"""Variables that redirect git to a repository other than the given one."""
_NO_HOOKS = ("-c", "core.hooksPath=/dev/null", "-c", "protocol.ext.allow=never")


class GitError(RunError):
    """git failed, is not installed, or took too long; holds its last message without passwords."""


def git(
    repository: Path, *arguments: str, settings: Mapping[str, str] | None = None, env: Mapping[str, str] | None = None
) -> tuple[str, str]:
    """Run `git ARGUMENTS` in a bare repository; return stdout and stderr, or raise GitError (also after GIT_S)."""
    chosen = [word for name, value in (settings or {}).items() for word in ("-c", f"{name}={value}")]
    command = ["git", f"--git-dir={repository}", *_NO_HOOKS, *chosen, *arguments]
    try:
        done = subprocess.run(  # noqa: S603 - no shell, and what is a stranger's stands behind `--`
            command,
            cwd=repository.parent,
            env=_environment(env),
            capture_output=True,
            timeout=GIT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except FileNotFoundError:
        raise GitError("git is not installed: apt-get install git") from None
    except subprocess.TimeoutExpired:
        raise GitError(f"git {arguments[0]} has not ended in {GIT_S:.0f} s") from None
    said = done.stderr.decode(errors="replace")
    if done.returncode:
        raise GitError(f"git {arguments[0]}: {last_words(said)}")
    return done.stdout.decode(errors="replace"), said


def last_words(text: str) -> str:
    """Return the most informative line of a program's output: its last error, else its last line; without passwords."""
    lines = [line.strip() for line in text.splitlines() if line.strip()] or ["it said nothing"]
    errors = [line for line in lines if line.lower().startswith(("fatal:", "error:"))]
    return without_secrets((errors or lines)[-1])[:_WORDS_CHARS]


def without_secrets(text: str) -> str:
    """Return the text without the user names and passwords in its addresses."""
    return _SECRET.sub("", text)


def _environment(more: Mapping[str, str] | None) -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    return ours | {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"} | dict(more or {})
