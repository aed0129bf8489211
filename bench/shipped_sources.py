"""The public texts that the shipped models are trained and evaluated on: repositories, revisions, licences.

`Repository.files` reads a file as the revision has it, with git, from a copy that the user has fetched:

    git clone https://github.com/OWNER/NAME FOLDER/OWNER+NAME

None of these texts is part of this project. `licence` is that of the texts, or of the labels where others own the
texts; docs/concepts/shipped-models.md says which.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from finest.errors import UsageError


@dataclass(frozen=True, slots=True)
class Repository:
    name: str
    """The repository, `owner/name`."""
    revision: str
    licence: str
    paths: tuple[str, ...] = ()
    """The folders and files that are read; all if none is named."""

    def files(self, folder: Path, *endings: str) -> Iterator[tuple[str, bytes]]:
        """Yield path and content of each file with one of the endings, in the order of their paths.

        Raises UsageError if the copy below `folder` is missing or lacks the revision.
        """
        copy = self._copy(folder)
        listed = self._git(copy, b"", "ls-tree", "-r", "-z", self.revision, *self.paths)
        objects = {}
        for line in listed.split(b"\0")[:-1]:
            kind, _, name = line.decode("utf-8", "surrogateescape").partition("\t")
            if name.endswith(endings) and " blob " in kind:
                objects[name] = kind.split()[2]
        names = sorted(objects)
        data = self._git(copy, "\n".join(objects[name] for name in names).encode(), "cat-file", "--batch")
        at = 0
        for name in names:
            end = data.index(b"\n", at)
            if data[at:end].endswith(b" missing"):
                raise UsageError(f"{self.name}: {name} is not in {copy}: make a whole copy of the repository")
            size = int(data[at:end].split()[2])
            yield name, data[end + 1 : end + 1 + size]
            at = end + 2 + size

    def _git(self, copy: Path, given: bytes, *command: str) -> bytes:
        result = subprocess.run(["git", "-C", str(copy), *command], input=given, capture_output=True, check=False)
        if result.returncode:
            reason = " ".join(result.stderr.decode(errors="replace").splitlines()[-1:])
            raise UsageError(f"{self.name}: revision {self.revision} cannot be read from {copy}: {reason}")
        return result.stdout

    def _copy(self, folder: Path) -> Path:
        """Return the folder of the copy; a bare one may lie one folder deeper."""
        base = folder / self.name.replace("/", "+")
        for copy in (base / "repo" / ".git", base / "repo", base / ".git", base):
            if (copy / "HEAD").exists():
                return copy
        raise UsageError(f"{base} is no copy of {self.name}; fetch it: git clone https://github.com/{self.name} {base}")


def _openstax(subject: str, revision: str) -> Repository:
    return Repository(f"philschatz/{subject}-book", revision, "CC-BY-3.0 (OpenStax College)", ("contents",))


BOOKS = (
    _openstax("algebra-trigonometry", "31c8185d9b9658b3e81c7fe4eda4392b903754c8"),
    _openstax("anatomy", "eadaa6b2992f4e4010f45d58ad4db065e398093e"),
    _openstax("biology", "cf3dc8c0d87f9dc4d0556464a4ac33b58dd9d726"),
    _openstax("chemistry", "a6ac3918e61cbedf0589c5b43e748dc8a7edf5e2"),
    _openstax("economics", "d3f319e7a162fecf1c15c07cd9bf31e6a48e1877"),
    _openstax("physics", "a7efaa7e221fab1694022d8bb98b83a73ee31d3d"),
    _openstax("precalculus", "bd79f99651e964896a4e8db2312d0a03b04804af"),
    _openstax("psychology", "aa152d641e2ad5d7f1eccb74a1e9a9b7bf915b9f"),
    _openstax("sociology", "8f29e07cc2aac36da685b3e805dc3da0e15beb41"),
    _openstax("statistics", "c7137efc90e4797d040facd6d0825c83aff27583"),
    _openstax("us-history", "635ed5914eb2ea3768169b88e1119587cb037e82"),
    Repository("rust-lang/book", "917544888a55e4da7109bdba8c88c893c0da70f4", "MIT OR Apache-2.0", ("src",)),
    Repository("swcarpentry/git-novice", "3e9bb3c8b01f5ca6e6ac96e06d252116f8db520c", "CC-BY-4.0", ("episodes",)),
    Repository(
        "swcarpentry/python-novice-gapminder", "58eec486cf579038d7eb92f7830d8cf74b9427be", "CC-BY-4.0", ("episodes",)
    ),
    Repository(
        "datacarpentry/image-processing", "4da0c08ab6eab60c73b664de87057973d03c399e", "CC-BY-4.0", ("episodes",)
    ),
    Repository(
        "LibraryCarpentry/lc-data-intro", "9850f1b9ed3cb2b9207bcff19e07129db8c31928", "CC-BY-4.0", ("episodes",)
    ),
    Repository(
        "carpentries/instructor-training", "d4498ab1b0805607b00acc09786c8d47f02552fa", "CC-BY-4.0", ("episodes",)
    ),
    Repository("Qiskit/textbook", "aebdd2bc86ddb7a79dd8441d52c839d312ffafbb", "Apache-2.0", ("notebooks",)),
)
"""Textbooks and course notes, in Markdown and notebooks."""

WCXB = Repository(
    "Murrough-Foley/web-content-extraction-benchmark", "c039d5ee9f5a3a984a0e167e63aacd04e76e78a9", "CC-BY-4.0",
    ("dev", "test"),
)  # fmt: skip
"""Web pages with page types and marked main text."""
CRAWL = Repository(
    "adbar/trafilatura", "e90b0ef51ab026fdb905fb6c5b3c84dd3d784fd5", "Apache-2.0", ("tests/eval", "tests/evaldata.json")
)
"""Web pages as test data of extractors: news, blogs, institutions."""
SPAM_ASSASSIN = Repository(
    "stdlib-js/datasets-spam-assassin", "1b84d49ab4b28092ead009b3ceeb67ae525289d1", "ODC-PDDL-1.0, CC0-1.0", ("data",)
)
SMS = Repository(
    "justmarkham/pycon-2016-tutorial", "5339710562cc46c4a32a369d63f1e8751a18a54e",
    "CC-BY-4.0 (UCI SMS Spam Collection)",
    ("data/sms.tsv",),
)  # fmt: skip
CODE = (
    Repository("TheAlgorithms/Python", "f5988cc09713315817df6a7e327e258013a94440", "MIT"),
    Repository("TheAlgorithms/Java", "9d05db2d14702454a418ff31158905e502df83e0", "MIT"),
    Repository("TheAlgorithms/C-Plus-Plus", "b9c118fb5dca86f6325e816481959e1e6c360373", "MIT"),
    Repository("TheAlgorithms/Go", "5ba447ec5ff3d1213de65b92e726ee74c5d5cc19", "MIT"),
    Repository("vuejs/core", "e2bede96134f757aad5c5b33ac9be055022dbfc8", "MIT", ("packages",)),
    Repository("rust-lang/book", "917544888a55e4da7109bdba8c88c893c0da70f4", "MIT OR Apache-2.0", ("listings",)),
)

ARTICLES = Repository("scrapinghub/article-extraction-benchmark", "4a3bc979f76c0df73cb95fe272e2fc1b96f9f010", "MIT")
PRODUCTS = Repository(
    "scrapinghub/product-extraction-benchmark", "cba97d7a8d42aeefd4021bc15d482f297faceaa3", "MIT", ("dataset",)
)
COMMENTS = Repository(
    "KayhanB21/YouTube-Spam-Collection", "e1dcaf0a73d7413db175ed0e9ce72b30cc7bf8dc",
    "CC-BY-4.0 (UCI YouTube Spam Collection)", ("dataset",),
)  # fmt: skip
FTD = Repository(
    "ssharoff/genre-keras", "7b80fcf478661f9c3970c1bb526b243ab2d0d1d8", "GPL-3.0 (labels); evaluation only",
    ("en.csv", "en.ol.xz"),
)  # fmt: skip
"""1,686 English web texts with grades for functions such as academic, reference, instruction, promotion."""
GINCO = Repository(
    "TajaKuzman/Genre-Datasets-Comparison", "5e142927406a760c9bca8380b02e9383d5bb8f2f",
    "not stated; evaluation only", ("Creation-of-classifiers-and-cross-prediction/data-sheets-with-all-info",),
)  # fmt: skip
"""EN-GINCO: 272 English web texts with genres."""
