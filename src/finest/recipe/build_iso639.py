"""Write `iso639.json`: the tables of language and script codes by which `finest.recipe.iso639` parses codes.

    pip install python-iso639==2026.7.23 langcodes==3.5.1
    python -m finest.recipe.build_iso639

`python-iso639` has the tables of ISO 639-3's registration authority (SIL). `langcodes` has Unicode CLDR's choice of the
main member of each macro-language, and the codes of scripts (ISO 15924). Run this when a code is missing; running
recipes needs neither package.
"""

from __future__ import annotations

import csv
import importlib
import json
import re
from itertools import product
from pathlib import Path
from string import ascii_lowercase
from typing import Any

from finest.recipe.iso639 import CODES


def tables() -> dict[str, Any]:
    """Return all codes and their mappings, in the form of `iso639.json`."""
    languages, retired = _read("iso-639-3.tab"), _read("iso-639-3_Retirements.tab")
    short = {row["Part1"]: row["Id"] for row in languages if row["Part1"]}
    return {
        "languages": " ".join(
            [row["Id"] for row in languages] + [row["Id"] for row in retired if not row["Change_To"]]
        ),
        "part1": short,
        "part2b": {row["Part2b"]: row["Id"] for row in languages if row["Part2b"] not in ("", row["Id"])},
        "macro": {row["I_Id"]: row["M_Id"] for row in _read("iso-639-3-macrolanguages.tab") if row["I_Status"] == "A"},
        "standard": {
            _long(one, short): _long(macro, short) for one, macro in _cldr().NORMALIZED_MACROLANGUAGES.items()
        },
        "retired": {row["Id"]: row["Change_To"] for row in retired if row["Change_To"]},
        "scripts": " ".join(_scripts()),
    }


def _read(name: str) -> list[dict[str, str]]:
    package = importlib.import_module("iso639")
    with (Path(str(package.__file__)).parent / "_data" / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def _cldr() -> Any:
    return importlib.import_module("langcodes.data_dicts")


def _long(code: str, short: dict[str, str]) -> str:
    return short.get(code, code)


def _scripts() -> list[str]:
    """Return the script codes that CLDR considers valid; its table is one expression over all valid subtags."""
    valid: re.Pattern[str] = _cldr().VALIDITY
    every = ("".join(letters).capitalize() for letters in product(ascii_lowercase, repeat=4))
    return [code for code in every if valid.match(code)]


if __name__ == "__main__":
    CODES.write_text(json.dumps(tables(), ensure_ascii=True, indent=0) + "\n", encoding="utf-8")
