"""Write `languages.json`: FineWeb-2's published settings of each language, with DataTrove's choice of tokenizer.

    python -m finest.recipe.build_languages CONFIGURATIONS.json

CONFIGURATIONS.json holds the configurations of huggingface/fineweb-2 (revision d0defb2, Apache-2.0; one file a language
in `configs/`) as one object: language code to settings. Names and tokenizers come from the installed DataTrove's
`tokenizer_assignment.csv`; run this again after changing its version.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

from datatrove.utils._import_utils import ASSETS_PATH

from finest.recipe.languages import TABLE

SOURCE = "huggingface/fineweb-2, revision d0defb2, Apache-2.0"


def assignments() -> dict[str, tuple[str, str, str]]:
    """Return the name, tokenizer class and tokenizer language of each code to which DataTrove assigns a tokenizer."""
    found: dict[str, tuple[str, str, str]] = {}
    with (Path(ASSETS_PATH) / "tokenizer_assignment.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if row["type"]:
                code = f"{row['code_3']}_{row['script']}"
                found.setdefault(code, (row["name"], row["type"], row["tok_code"]))
    return found


def row(config: dict[str, Any], assigned: tuple[str, str, str]) -> list[Any]:
    """Return a language's row in the order in which `language_settings` reads it."""
    return [
        *assigned,
        config["language_score"],
        config["dup_line_frac"],
        [limit for _, limit in config["top_n_grams"]],
        [limit for _, limit in config["dup_n_grams"]],
        config["line_punct_thr"],
        config["new_line_ratio"],
        config["min_avg_word_length"],
        config["max_avg_word_length"],
        config["max_non_alpha_words_ratio"],
        config["stopwords"],
    ]


def table(configs: dict[str, dict[str, Any]]) -> str:
    """Return the table as JSON with one language a line."""
    assigned = assignments()
    rows = (
        f"{json.dumps(code)}:"
        + json.dumps(row(configs[code], assigned[code]), ensure_ascii=False, separators=(",", ":"))
        for code in sorted(configs)
    )
    return f'{{"source":{json.dumps(SOURCE)},"languages":{{\n' + ",\n".join(rows) + "\n}}\n"


if __name__ == "__main__":
    TABLE.write_text(table(json.loads(Path(sys.argv[1]).read_bytes())), encoding="utf-8")
