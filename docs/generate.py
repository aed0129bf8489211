"""Write the parts of the docs that follow from the code: `make docs`. A test fails when they are out of date.

Whole pages: commands.md, languages.md, python.md, reasons.md and recipe-keys.md in reference. Parts of pages: the table
of problems in reference/task-server-api.md; formula, examples and attacks in concepts/scoring.md.
"""

from __future__ import annotations

import importlib.util
import inspect
import json
import sys
import textwrap
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import click
from pydantic import BaseModel

from finest.cli import cli
from finest.recipe.languages.overview import MEASURED, tokenizer_classes
from finest.recipe.reasons import REASONS, STAGES
from finest.recipe.recipe import SHIPPED, Recipe, load_recipe
from finest.tasks.problems import KINDS
from finest.validator import score

DOCS = Path(__file__).parent
ATTACKS = DOCS.parent / "bench" / "results" / "attacks.json"
WORDS = DOCS.parent / "bench" / "results" / "words.json"


def commands() -> str:
    """Every command's own help."""
    head = "# Commands\n\nEvery command with its own help text (`finest COMMAND --help`). `make docs` generates this page.\n"
    parts = [head, _help(cli, "finest")]
    for name, command in cli.commands.items():
        parts.append(_help(command, f"finest {name}"))
        if isinstance(command, click.Group):
            parts += [_help(sub, f"finest {name} {word}") for word, sub in command.commands.items()]
    return "\n".join(parts)


def reasons() -> str:
    """The closed list of reasons, stage by stage."""
    lines = [
        "# Reasons\n",
        "Every page gets a verdict with one reason from this closed list, ordered by the stage that gives it. `make docs` "
        "generates this page from the list of stages in `finest/recipe/stages/`.\n",
    ]
    for stage, question in STAGES.items():
        lines += [f"## {stage}\n", f"{question}\n", "| reason | means |", "|---|---|"]
        lines += [f"| `{r.name}` | {r.explanation} |" for r in REASONS.values() if r.stage == stage]
        lines.append("")
    return "\n".join(lines)


def recipe_keys() -> str:
    """Every key of a recipe with its default and the values of the shipped recipes, section by section."""
    shipped = {name: load_recipe(name) for name in SHIPPED}
    others = " and ".join(f"`{name}`" for name in SHIPPED)
    parts = [
        "# Recipe keys\n",
        f"Every section and key of a recipe file, with its default and its value in {others}. A recipe file names only "
        "what it changes; an unknown key is an error. `finest recipe show NAME` prints a recipe with every value filled "
        "in. `make docs` generates this page from the list of stages in `finest/recipe/stages/`.\n",
    ]
    for section, field in Recipe.model_fields.items():
        rules = field.annotation
        if not (isinstance(rules, type) and issubclass(rules, BaseModel)):
            continue
        parts += [f"## {section}\n", f"{inspect.getdoc(rules) or ''}\n"]
        parts += ["| key | default | " + " | ".join(SHIPPED) + " |", "|---|---|" + "---|" * len(SHIPPED)]
        default = field.get_default(call_default_factory=True)
        for key in rules.model_fields:
            values = [getattr(default, key), *(getattr(getattr(recipe, section), key) for recipe in shipped.values())]
            first = _toml(values[0])
            cells = [first, *("" if _toml(value) == first else _toml(value) for value in values[1:])]
            parts.append(f"| `{key}` | " + " | ".join(cells) + " |")
        parts.append("")
    parts.append(
        "An empty cell means the default. `name` (letters, digits, `.`, `_`, `-`) and `description` stand outside of any "
        "section and do not change the hash. `[libraries]` holds the versions of the packages that can change a verdict; "
        "finest fills it in, and refuses a recipe that was made with other versions.\n"
    )
    return "\n".join(parts)


def _toml(value: Any) -> str:
    """A value as a recipe file has it."""
    plain = json.loads(json.dumps(value, default=lambda rules: rules.model_dump(mode="json")))
    return f"`{json.dumps(plain, ensure_ascii=False)}`"


def tasks() -> str:
    """reference/task-server-api.md with the closed list of problems in its place."""
    rows = ["| problem | status | passes | |", "|---|---|---|---|"]
    rows += [f"| `{n}` | {k.status} | {'yes' if k.may_pass else ''} | {k.title} |" for n, k in KINDS.items()]
    return _filled("reference/task-server-api.md", "problems", rows)


def scoring() -> str:
    """concepts/scoring.md with the formula, the constants and examples of the score in their place."""
    formula = score.__doc__.partition("\n\n")[2].partition("\n\nThe smaller")[0]  # type: ignore[union-attr]
    constants = [f"| `{f.name}` | {getattr(score.POLICY, f.name):g} |" for f in fields(score.POLICY)]
    lines = [
        "```", textwrap.dedent(formula), "```", "", "| constant | value |", "|---|---|", *constants, "",
        "| who | H | min(R, V) | Q | P | score |", "|---|---|---|---|---|---|", *map(_example, EXAMPLES),
    ]  # fmt: skip
    return _between(_filled("concepts/scoring.md", "score", lines), "attacks", attacks())


def attacks() -> list[str]:
    """What became of forged datasets, from the bench's result."""
    result = json.loads(ATTACKS.read_bytes())
    cores = f"{result['machine']['cpu']}, {result['machine']['cores']} cores"
    made_of = f"{result['rows']:,} rows of {result['pages']:,} real pages, {result['tokens']:,} tokens"
    head = ["| dataset | fail | something seen | H | R | V | Q | score |", "|---|---|---|---|---|---|---|---|"]
    commands = [f"    {command}" for command in result["commands"]]
    return [f"{made_of} ({cores}):", "", *commands, "", *head, *map(_attack, result["attacks"])]


def _attack(found: dict[str, Any]) -> str:
    """One line; without factors where no audit passed."""
    passes = found["failed"] < found["seeds"] and found["quality"] is not None
    factors = [f"{found[name]:.2f}" if passes else "" for name in ("honesty", "recall", "volume", "quality")]
    seen = [f"{found[name]} of {found['seeds']}" for name in ("failed", "seen")]
    return f"| {' | '.join((found['name'], *seen, *factors, format(found['score'], '.2f')))} |"


HONEST = score.Measured(
    admissible=True, rows_checked=128, rows_bad=0, pages_checked=200, pages_missed=0, unique_tokens=10_000_000,
    reference_tokens=10_000_000, bpb=2.0, bpb_reference=2.0, bpb_raw=2.1, error_bpb=0.001, blocks_used=100,
    blocks_allowed=1000,
)  # fmt: skip
"""Raw text and reference 0.1 bpb apart, as measured on real pages."""
EXAMPLES = {
    "honest, a tenth of the time used": {},
    "honest, all of the time used": {"blocks_used": 1000},
    "a recipe that is better than the reference": {"bpb": 1.98},
    "one row of 128 differs": {"rows_bad": 1},
    "six rows of 128 differ: forged": {"rows_bad": 6},
    "10 % boilerplate": {"bpb": 2.013},
    "30 % boilerplate": {"bpb": 2.038},
    "raw text": {"bpb": 2.1},
    "every row twice": {"unique_tokens": 5_000_000, "bpb": 2.2},
    "only the best half": {"unique_tokens": 5_000_000, "pages_missed": 100, "bpb": 1.99},
    "another task's WARCs, or too late": {"admissible": False},
}


def _example(who: str) -> str:
    found = score.score(replace(HONEST, **EXAMPLES[who]))
    worked = min(found.recall, found.volume)
    factors = (found.honesty, worked, found.quality, found.promptness, found.total)
    return f"| {who} | " + " | ".join(f"{value:.2f}" for value in factors) + " |"


def _filled(page: str, name: str, lines: list[str]) -> str:
    """The page with those lines between the marks of that name."""
    return _between((DOCS / page).read_text(encoding="utf-8"), name, lines)


def _between(text: str, name: str, lines: list[str]) -> str:
    begin, end = f"<!-- {name}: begin", f"<!-- {name}: end -->"
    head, marker, rest = text.partition(begin)
    comment, _, rest = rest.partition("\n")
    return "\n".join([head + marker + comment, "", *lines, "", end]) + rest.partition(end)[2]


def _help(command: click.Command, name: str) -> str:
    names = cli.context_settings["help_option_names"]
    context = click.Context(command, info_name=name, max_content_width=110, terminal_width=110, help_option_names=names)
    return f"## {name}\n\n```\n{command.get_help(context)}\n```\n"


def languages() -> str:
    """The tokenizers of FineWeb-2's languages, and which languages have which."""
    lines = [
        "# Languages\n",
        "FineWeb-2 has settings for 1,929 languages (huggingface/fineweb-2, revision d0defb2, Apache-2.0): thresholds of "
        "its filters, stop words, and DataTrove's tokenizer. `finest languages list CODE` prints those of a language, "
        "`finest languages add` derives them for another. Words are those of DataTrove's tokenizer, token by token. "
        "English is not in FineWeb-2; its recipe is `fineweb`. `make docs` generates this page.\n",
        "| tokenizer | languages | install | such as |", "|---|---|---|---|",
    ]  # fmt: skip
    classes = tokenizer_classes()
    for one in classes:
        needed = f"not supported: {one.refused}" if one.refused else (f"`{one.command}`" if one.command else "")
        lines.append(f"| {one.title} | {len(one.codes):,} | {needed} | {', '.join(one.codes[:4])} |")
    lines += [
        "", "spaCy's rules are split by Finest Data itself; nothing else is installed or loaded for them. No tokenizer "
        "fetches anything when it runs: the languages of those that would are refused by name. "
        "`pip install 'finest-data[languages]'` installs all extras. Burmese has no extra, because its package "
        "replaces the one that identifies languages; the command above installs it without its dependencies.\n",
        "## Shares of FineWeb-2\n", "| tokenizer | % of the bytes |", "|---|---|",
        *(f"| {title} | {percent:g} |" for title, percent in MEASURED),
        "", "## Cost\n", "CPU time of our words (with counts) beside DataTrove's, on the same pages of Common Crawl in one "
        "run; tokenization alone, with cold caches. Chinese, Japanese and Korean include their library.\n",
        "| language | pages | tokens | DataTrove, s | ours, s | ratio |", "|---|---|---|---|---|---|",
        *(f"| {' | '.join(map(str, row))} |" for row in json.loads(WORDS.read_bytes())["rows"]), "",
        "## Languages by tokenizer\n",
    ]  # fmt: skip
    for one in classes:
        lines += [f"**{one.title}**: {', '.join(f'`{code}`' for code in one.codes)}\n"]
    return "\n".join(lines)


def python() -> str:
    """The Python interface, from its docstrings (docs/python_api.py)."""
    spec = importlib.util.spec_from_file_location("python_api", DOCS / "python_api.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return str(module.python())


PAGES = {
    "reference/commands.md": commands,
    "reference/reasons.md": reasons,
    "reference/recipe-keys.md": recipe_keys,
    "reference/languages.md": languages,
    "reference/python.md": python,
    "reference/task-server-api.md": tasks,
    "concepts/scoring.md": scoring,
}

if __name__ == "__main__":  # python docs/generate.py [FOLDER]: into docs, or elsewhere
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else DOCS
    for page, write in PAGES.items():
        (folder / page).parent.mkdir(parents=True, exist_ok=True)
        (folder / page).write_text(write(), encoding="utf-8")
