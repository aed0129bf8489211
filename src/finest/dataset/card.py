"""The dataset card: README.md in the Hub's format, made only from the manifest."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from finest.atomic_files import write_whole
from finest.dataset.manifest import MANIFEST_NAME, Manifest
from finest.dataset.rows import SCHEMA
from finest.recipe.reasons import KEPT, UNASKED, reasons_of

CARD_NAME = "README.md"
MAX_SOURCES_SHOWN = 100
"""Number of sources that the card lists at most; the manifest lists all of them."""

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"),
          (10**8, "10M<n<100M"), (10**9, "100M<n<1B"), (10**10, "1B<n<10B"), (10**11, "10B<n<100B"),
          (10**12, "100B<n<1T"))  # fmt: skip
"""The Hub's size categories (https://github.com/huggingface/hub-docs/blob/main/datasetcard.md)."""

_COLUMNS = {
    "text": "Main text of the page; e-mail addresses and public IP addresses replaced if the recipe says so",
    "id": "WARC-Record-ID of the response",
    "dump": "Name of the crawl, `local` where a file's name says none",
    "url": "Address of the page",
    "date": "When it was crawled",
    "file_path": "WARC file that holds the record",
    "language": "Identified language",
    "language_score": "Confidence of the identification, 0 to 1",
    "token_count": "GPT-2 tokens, counted before anything was replaced",
    "warc_offset": "First byte of the record in the compressed WARC file",
    "warc_length": "Bytes of the compressed record",
    "row_hash": "sha256 over all other columns",
}


def write_card(folder: Path, manifest: Manifest) -> None:
    """Write README.md into the dataset's folder atomically."""
    write_whole(folder / CARD_NAME, card(manifest).encode())


def card(manifest: Manifest) -> str:
    """Return the card's text: a YAML header, then Markdown."""
    parts = (
        _what, _configurations, _selection, _funnel, _reasons, _sources, columns_part, _verify, _load, privacy_part,
        licence_part,
    )  # fmt: skip
    return f"---\n{_header(manifest)}---\n\n" + "\n".join(part(manifest) for part in parts)


def _header(manifest: Manifest) -> str:
    # Import late: huggingface_hub reads its settings from the environment once, when it is imported.
    from huggingface_hub import DatasetCardData

    configs = [_config("default", "data/*/*.parquet", default=True)]
    configs += [_config(name, f"data/{name}/*.parquet") for name in manifest.configurations or manifest.dumps]
    data = DatasetCardData(
        language=_languages(manifest) or None,
        license="odc-by" if is_common_crawl(manifest) else "unknown",
        pretty_name=_title(manifest),
        size_categories=size_category(manifest.rows),
        task_categories=["text-generation"],
        tags=[*(["common-crawl"] if _of_common_crawl(manifest) else []), "web", "finest-data", _recipe_name(manifest)],
        configs=configs,
    )
    return data.to_yaml() + "\n"


def _languages(manifest: Manifest) -> list[str]:
    """Return the ISO 639 codes of the languages, without their scripts."""
    bare = {code.partition("_")[0] for code in manifest.languages}
    return [code for code in sorted(bare) if re.fullmatch(r"[a-z]{2,3}", code)]


def _of_common_crawl(manifest: Manifest) -> int:
    """Count the sources that are Common Crawl's files; a file with another name may be a copy, or anything else."""
    return manifest.source_totals.common_crawl


def is_common_crawl(manifest: Manifest) -> bool:
    return 0 < _of_common_crawl(manifest) == manifest.source_totals.sources


def _config(name: str, path: str, *, default: bool = False) -> dict[str, Any]:
    files = [{"split": "train", "path": path}]
    return {"config_name": name, **({"default": True} if default else {}), "data_files": files}


def size_category(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), "n>1T")


_EXPERIMENTAL = """
> [!WARNING]
> The recipe `finest` is experimental: it extracts other text than FineWeb's pipeline does, and no training ablation
> has shown equal quality yet.
"""


_NOT_FINEWEB_2 = """
> [!NOTE]
> The recipe `fineweb-2-lid176` identifies languages with lid.176 instead of GlotLID, so its pages are not exactly
> those that FineWeb-2 would have. The filters and the deduplication are the same.
"""


def _what(manifest: Manifest) -> str:
    name, files, ours = _recipe_name(manifest), manifest.source_totals.sources, _of_common_crawl(manifest)
    whose = "Common Crawl " if is_common_crawl(manifest) else ""
    some = f" ({ours:,} of them Common Crawl's)" if ours and not whose else ""
    return f"""# {_title(manifest)}

{manifest.rows:,} pages with {manifest.token_count:,} GPT-2 tokens, refined with the recipe `{name}`
from {files:,} {whose}WARC file{"s" * (files != 1)}{some} by Finest Data. Every row names its record and can be checked.
{_EXPERIMENTAL * (name == "finest")}{_NOT_FINEWEB_2 * (name == "fineweb-2-lid176")}
| | |
|---|---|
| Recipe | `{name}`, hash `{manifest.recipe_hash}` |
| Engine | `{manifest.engine}`, {manifest.created_by}, Python {manifest.python} |
| Rows | {manifest.rows:,} in {len(manifest.shards):,} Parquet files, {_megabytes(manifest.size_bytes)} |
| Merkle root | `{manifest.root}` |

The resolved recipe, with every threshold and library version, is in `{MANIFEST_NAME}`.
"""


def _configurations(manifest: Manifest) -> str:
    """List the languages of a dataset with a configuration for each; empty for any other dataset."""
    if not manifest.configurations:
        return ""
    shown = sorted(manifest.configurations, key=lambda name: -manifest.languages.get(name, 0))[:MAX_SOURCES_SHOWN]
    lines = [(f"`{name}`", f"{manifest.languages.get(name, 0):,}") for name in shown]
    more = len(manifest.configurations) - len(shown)
    rest = f"\nAnd {more:,} more, in `{MANIFEST_NAME}`.\n" if more else ""
    return f"## Languages\n\nEach language is a configuration.\n\n{table(('Configuration', 'Rows'), lines)}{rest}"


def _selection(manifest: Manifest) -> str:
    """Describe what was selected, and from which dataset; empty for a dataset with all of its rows."""
    if not manifest.selections:
        return ""
    steps = "\n".join(
        f"Of the {one.parent_rows:,} rows of {_code(one.parent) if one.parent else 'the dataset'} with the root "
        f"`{one.parent_root}`, those for which this is true:\n\n    {one.rule}\n"
        for one in manifest.selections
    )
    reasons = dict.fromkeys(rule.reason for rule in manifest.rules)
    parent = manifest.selections[-1].parent or "PARENT"
    index = " --index FILE.decon" * any(rule.needs_index for rule in manifest.rules)
    return f"""## Selection

These {manifest.rows:,} rows are a selection. Each has the hash that it has in the whole dataset, and `verdicts/` says
{" or ".join(f"`{name}`" for name in reasons)} of the pages whose rows were left out.

{steps}
To check that no row was omitted or added:

```bash
finest verify dataset --parent {parent}{index}
```
"""


def _funnel(manifest: Manifest) -> str:
    known = reasons_of(manifest.recipe)
    by_stage = dict.fromkeys(known.stages, 0)
    for name, pages in manifest.reasons.items():
        by_stage[known.stage_of(name)] += pages
    left, lines = manifest.pages, []
    for stage, question in known.stages.items():
        if stage != KEPT and (stage not in UNASKED or by_stage[stage]):
            left -= by_stage[stage]
            lines.append((stage, question, f"{by_stage[stage]:,}", f"{left:,}", _share(left, manifest.pages)))
    head = ("Stage", "Question", "Dropped", "Left", "Share left")
    return f"## From page to row\n\n{manifest.pages:,} pages were judged.\n\n{table(head, lines)}"


def _reasons(manifest: Manifest) -> str:
    drops = sorted(
        ((n, name) for name, n in manifest.reasons.items() if n and name != KEPT), key=lambda d: (-d[0], d[1])
    )
    known = reasons_of(manifest.recipe)
    lines = [(f"`{name}`", known.reason(name).explanation, f"{n:,}", _share(n, manifest.pages)) for n, name in drops]
    text = f"## Drops by reason\n\n{table(('Reason', 'Meaning', 'Pages', 'Share'), lines)}"
    losses = [(f"`{name}`", f"{n:,}") for name, n in sorted(manifest.losses.items()) if n]
    if losses:
        text += f"\nRecords that could not be read at all:\n\n{table(('Loss', 'Records'), losses)}"
    return text + "\n`verdicts/` holds one verdict per page, with the statistic that decided beside its limit.\n"


def _sources(manifest: Manifest) -> str:
    if manifest.source_files:
        return _source_files(manifest)
    shown = manifest.sources[:MAX_SOURCES_SHOWN]
    lines = [(_code(s.name), f"{s.size_bytes:,}", f"{s.pages:,}", f"`{s.sha256}`") for s in shown]
    more = len(manifest.sources) - len(shown)
    rest = f"\nAnd {more:,} more, in `{MANIFEST_NAME}`.\n" if more else ""
    return f"## Sources\n\n{table(('WARC file', 'Bytes', 'Pages', 'Digest of what was read'), lines)}{rest}"


def _source_files(manifest: Manifest) -> str:
    """List the crawls of a dataset whose sources lie in files."""
    lines = []
    for dump in manifest.dumps:
        totals = [file.totals for file in manifest.source_files if file.path.split("/")[1] == dump]
        counts = (sum(part.sources for part in totals), sum(part.size_bytes for part in totals))
        lines.append((f"`{dump}`", f"{counts[0]:,}", f"{counts[1]:,}", f"{sum(part.pages for part in totals):,}"))
    files = "The WARC files and the digests of what was read are in `sources/<crawl>/*.json.gz`."
    return f"## Sources\n\n{table(('Crawl', 'WARC files', 'Bytes', 'Pages'), lines)}\n{files}\n"


def columns_part(manifest: Manifest) -> str:
    lines = [(f"`{field.name}`", f"{field.type}", _COLUMNS[field.name]) for field in SCHEMA]
    lines += [(f"`{column.name}`", column.type, column.doc) for column in manifest.columns]
    return f"## Columns\n\nThe first nine are FineWeb's.\n\n{table(('Column', 'Type', 'Meaning'), lines)}"


def _verify(manifest: Manifest) -> str:
    earlier = f"""
EARLIER is the dataset with the root `{", ".join(manifest.against)}`, whose rows were kept instead of pages of this one.
"""
    return f"""## Verify it yourself

```bash
pip install finest-data
hf download OWNER/NAME --repo-type dataset --local-dir dataset
finest verify dataset{" --against EARLIER" if manifest.against else ""}
```

This checks every file's sha256, every row's hash and the Merkle root against `{MANIFEST_NAME}`, and judges a random
sample of pages again from the source WARC files.
{earlier if manifest.against else ""}"""


def _load(manifest: Manifest) -> str:
    name = (*manifest.configurations, *manifest.dumps, "DUMP")[0]
    return f"""## Load it

```python
from datasets import load_dataset

rows = load_dataset("OWNER/NAME", name="{name}", split="train")
```

```python
import pyarrow.dataset as ds

rows = ds.dataset("dataset/data", format="parquet").to_table(columns=["text", "url"])
```
"""


def privacy_part(manifest: Manifest) -> str:
    pii = manifest.recipe.get("pii")
    rules: dict[str, Any] = pii if isinstance(pii, dict) else {}
    done = [words for key, words in (("emails", "e-mail addresses"), ("ips", "public IP addresses")) if rules.get(key)]
    replaced = f"{' and '.join(done).capitalize()} in the text were replaced" if done else "Nothing was replaced in it"
    future = (
        "address, and see Common Crawl's [opt-out](https://commoncrawl.org/faq) for future crawls."
        if is_common_crawl(manifest)
        else "address."
    )
    return f"""## Personal data and opting out

The text comes from public web pages and may name people. {replaced}; other personal data was not looked
for. If a page of yours, or one about you, is in here and should not be, open a discussion on this repository with
its {future}
"""


def licence_part(manifest: Manifest) -> str:
    if not is_common_crawl(manifest):
        also = " and [Common Crawl's terms of use](https://commoncrawl.org/terms-of-use)" * bool(
            _of_common_crawl(manifest)
        )
        return f"""## Licence

No licence is stated here. The pages belong to their authors; whoever publishes this dataset says under which terms
the crawls that it was made of{also} let it be used.
"""
    return """## Licence

The dataset is under the [Open Data Commons Attribution License (ODC-By) v1.0]\
(https://opendatacommons.org/licenses/by/1-0/). Its use is also
subject to [Common Crawl's terms of use](https://commoncrawl.org/terms-of-use). The pages belong to their authors.
"""


def _title(manifest: Manifest) -> str:
    return f"Finest Data: {', '.join(manifest.dumps[:3]) or 'no pages'}{' and more' * (len(manifest.dumps) > 3)}"


def _recipe_name(manifest: Manifest) -> str:
    name = str(manifest.recipe.get("name", ""))
    return name if re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,63}", name) else "unnamed"


def _code(text: str) -> str:
    """Format a foreign name as inline code that cannot break out of its table cell."""
    return "`" + re.sub(r"[`|\s\x00-\x1f]", "_", text) + "`"


def table(head: tuple[str, ...], lines: Iterable[tuple[str, ...]]) -> str:
    rows = [head, ("---",) * len(head), *lines]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _share(part: int, whole: int) -> str:
    return f"{100 * part / whole:.2f} %" if whole else "-"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
