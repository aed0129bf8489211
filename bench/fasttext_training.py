"""Train fastText models, to compare with them and to import them.

fasttext-community can train, and fasttext-predict, whose version is part of every recipe, cannot. Both install the
module `fasttext`, each over the files of the other. So the former is installed into a folder of its own, and trains in
a process of its own. What it saves can be read with either.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from fasteners import InterProcessLock

from finest.settings import default_cache

PACKAGE = "fasttext-community==0.11.9"
_TRAIN = """
import json, sys
sys.path.insert(0, sys.argv[1])
import fasttext
fasttext.train_supervised(sys.argv[2], **json.loads(sys.argv[4])).save_model(sys.argv[3])
"""


class CannotTrain(Exception):
    """The package that trains fastText models cannot be installed."""


def train(texts: Path, out: Path, **settings: Any) -> None:
    """Train a supervised model of the labelled texts in a file, and save it; raises CannotTrain."""
    given = {"thread": 1, "seed": 1, "verbose": 0, **settings}
    command = [sys.executable, "-c", _TRAIN, str(_installed()), str(texts), str(out), json.dumps(given)]
    subprocess.run(command, check=True, capture_output=True)


@cache
def _installed() -> Path:
    """Install the package, once for each version of Python; returns its folder."""
    folder = default_cache() / "bench" / f"{PACKAGE}-{sys.implementation.cache_tag}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--target"]
    with InterProcessLock(folder.with_name(f"{folder.name}.lock")):
        if not (folder / "fasttext").is_dir():
            done = subprocess.run([*pip, str(folder), PACKAGE], check=False, capture_output=True, text=True)
            if done.returncode:
                raise CannotTrain(f"{PACKAGE} cannot be installed: {done.stderr.strip()[-300:]}")
    return folder
