"""A source of releases: a real git repository of a small project that is called as ours, with real signatures."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import finest
from finest.validator.update.build import EXTRAS

REAL = Path(finest.__file__).parent
MODULES = ("errors.py", "atomic_files.py", "masking.py", "sandbox", "validator/__init__.py", "validator/update")
"""What the small project has of the real one: all that an update needs."""
MAIN = """
import os, site, sys
site.addsitedir(os.environ["SITE"])  # libraries that a real installation would have of its own
from pathlib import Path
import finest
from finest.validator.update import healthy, launch, stopped

def main():
    words = sys.argv[1:]
    if words == ["--version"]:
        print("finest, version", finest.__version__)
    elif words == ["doctor", "--validator", "--installation"]:
        sys.exit({doctor!r} or None)
    else:
        home = Path(words[1])
        launch(home, words, say=print)
        print(finest.__version__, "runs", *words, os.environ.get("HF_TOKEN"))
        {runs}
"""
BACKEND = """
import base64, hashlib, pathlib, zipfile

def build_wheel(folder, settings=None, metadata=None):
    name = "finest_data-{version}-py3-none-any.whl"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as wheel:
        for path in sorted(pathlib.Path("src").rglob("*.py")):
            wheel.write(path, path.relative_to("src"))
        info = "finest_data-{version}.dist-info/"
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: finest-data\\nVersion: {version}\\n")
        wheel.writestr(info + "WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(info + "entry_points.txt", "[console_scripts]\\nfinest = finest.main:main\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""


class Source:
    """The repository, and the keys beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.keys = folder / "source", folder / "keys"
        self.folder.mkdir(parents=True)
        self.keys.mkdir()
        self.signers = self.keys / "allowed_signers"
        self.signers.write_text(f"releases@example.org {self.key('ours')}\n")
        self.lock = "# it needs nothing\n"
        self.git("init", "--quiet", "--initial-branch=main")

    def key(self, name: str) -> str:
        """The public half of a new key."""
        path = self.keys / name
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path], check=True)
        return path.with_name(f"{name}.pub").read_text().strip()

    def git(self, *arguments: object) -> str:
        """As nobody in particular: no settings of whoever runs the tests."""
        env = {
            "PATH": os.environ["PATH"], "HOME": str(self.keys), "GNUPGHOME": str(self.keys / "gpg"),
            "GIT_CONFIG_NOSYSTEM": "1", "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "releases@example.org", "GIT_COMMITTER_EMAIL": "releases@example.org",
        }  # fmt: skip
        command = ["git", "-C", self.folder, *map(str, arguments)]
        return subprocess.run(command, env=env, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, version: str, *, doctor: int = 0, runs: str = "pass", name: str = "finest-data") -> str:
        """A version of the project: `doctor` is the exit status of its own examination, `runs` what it does."""
        package = self.folder / "src" / "finest"
        shutil.rmtree(self.folder / "src", ignore_errors=True)
        for module in MODULES:
            (package / module).parent.mkdir(parents=True, exist_ok=True)
            if (REAL / module).is_dir():
                shutil.copytree(REAL / module, package / module, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(REAL / module, package / module)
        (package / "__init__.py").write_text(f'__version__ = "{version}"\n')
        (package / "main.py").write_text(MAIN.format(doctor=doctor, runs=runs))
        (self.folder / "backend.py").write_text(BACKEND.format(version=version))
        (self.folder / "pyproject.toml").write_text(
            dedent(f"""
            [build-system]
            requires = []
            build-backend = "backend"
            backend-path = ["."]
            [project]
            name = "{name}"
            version = "{version}"
            """)
        )
        (self.folder / "deploy" / "locks").mkdir(parents=True, exist_ok=True)
        for lock in ("base", *EXTRAS):
            (self.folder / "deploy" / "locks" / f"{lock}.txt").write_text(self.lock)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--allow-empty", "-m", version)
        return self.git("rev-parse", "HEAD")

    def tag(self, tag: str, *, key: str | None = "ours", force: bool = False, commit: str = "HEAD") -> str:
        """A tag of it, signed with that key; without one annotated and no more. Gives the tag's object."""
        signing = ["-s", "-c"] if key else ["-a"]
        settings = ["-c", "gpg.format=ssh", "-c", f"user.signingKey={self.keys / (key or 'none')}"]
        self.git(*settings, "tag", signing[0], *(["-f"] if force else []), "-m", tag, tag, commit)
        return self.git("rev-parse", f"refs/tags/{tag}")

    def release(self, version: str, **how: object) -> str:
        """A commit and its signed tag."""
        self.commit(version, **how)  # type: ignore[arg-type]
        return self.tag(f"v{version}")


def environment(**more: str) -> dict[str, str]:
    """What a release of the small project runs with."""
    site = next(path for path in sys.path if path.endswith("site-packages"))
    return {name: value for name, value in os.environ.items() if name != "PYTHONPATH"} | {"SITE": site} | more
