"""The command `finest decontaminate`: find evaluation items in a dataset, and build the index that names them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finest.cli.groups import Commands
from finest.cli.shared import console, json_of, lean_imports, say
from finest.recipe.decontaminate import MIN_MATCHES, MIN_PERCENT
from finest.settings import load_settings

if TYPE_CHECKING:
    from finest.recipe.decontaminate.index import Index


class _Decontaminate(Commands):
    """Takes a first word that is no subcommand for a dataset: `finest decontaminate my-dataset`."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:  # fmt: skip
        if args and args[0] not in self.commands:
            args = ["scan", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_Decontaminate)
def decontaminate() -> None:
    """Find evaluation items in datasets, and keep them out.

    \b
    finest decontaminate build mmlu=mmlu.parquet gsm8k=gsm8k.jsonl --out evaluations.decon
    finest decontaminate my-dataset --index evaluations.decon

    \b
    To drop such pages while a crawl is refined, put into the recipe:
    [decontaminate]
    enabled = true
    index = "evaluations.decon"
    index_sha256 = "..."     # as printed by build
    """


@decontaminate.command("build")
@click.argument("sets", metavar="[NAME=]FILE|hf:OWNER/NAME@REVISION:PATTERN...", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The index file, NAME.decon.")
@click.option(
    "--field", "fields", multiple=True, metavar="NAME",
    help="Field of the records that holds the item's text; repeatable, then the texts are joined.  "
    "[default: the first of question, problem, prompt, text]",
)  # fmt: skip
@click.option("--n", type=click.IntRange(1, 32), default=4, show_default=True, help="Words of an n-gram.")
@click.option(
    "--min-words", type=click.IntRange(1, 1000), default=8, show_default=True, help="Leave out items with fewer words."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def build(sets: tuple[str, ...], out: Path, fields: tuple[str, ...], n: int, min_words: int, as_json: bool) -> None:
    """Build an index of evaluation sets.

    The sets are JSONL, Parquet or text files (an item a line), on disk or on the Hub. The index holds hashes of n-grams
    and no text. The same sets give the same bytes, so that everybody can build an index again and compare its sha256.

    \b
    finest decontaminate build mmlu=mmlu.jsonl --field question --field choices --out evaluations.decon
    finest decontaminate build 'hf:alice/quiz@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c:test-*.parquet' --out quiz.decon
    """
    with lean_imports():
        from finest.pipeline.decontaminate.indexes import make_index

    load_settings()
    index, sha256 = make_index(sets, out, fields=fields, n=n, min_words=min_words, say=say)
    if as_json:
        head: dict[str, Any] = index.head.model_dump(mode="json")
        click.echo(json_of({"index": str(out), "sha256": sha256, "ngrams": len(index.hashes), **head}))
    else:
        _show(index, out, sha256)


def _show(index: Index, out: Path, sha256: str) -> None:
    to = console()
    for one in index.head.sets:
        left_out = one.short + one.repeated + one.common
        why = f" (left out: {one.short:,} with fewer than {index.head.min_words} words or {index.head.n} in a row, "
        why += f"{one.repeated:,} repeated, {one.common:,} made of common phrases)"
        to.print(f"{one.name}: {one.items - left_out:,} of {one.items:,} items{why if left_out else ''}", markup=False)
    to.print(
        f"{len(index.hashes):,} n-grams of {index.head.n} words in {out}, {out.stat().st_size:,} bytes\n\n"
        f'[decontaminate]\nenabled = true\nindex = "{out.name}"\nindex_sha256 = "{sha256}"',
        markup=False,
    )


@decontaminate.command("scan")
@click.argument("dataset", metavar="FOLDER|REPO@REVISION|ADDRESS")
@click.option(
    "--index", type=click.Path(path_type=Path), required=True, help="Index file that `finest decontaminate build` made."
)
@click.option("--index-sha256", metavar="HEX", help="Refuse an index with another sha256.")
@click.option("--min-matches", type=click.IntRange(min=1), default=MIN_MATCHES, show_default=True,
              help="N-grams of an item that a text must have.")  # fmt: skip
@click.option("--min-percent", type=click.IntRange(0, 100), default=MIN_PERCENT, show_default=True,
              help="Share of an item's n-grams that a text must have, in per cent.")  # fmt: skip
@click.option("--out", type=click.Path(path_type=Path), help="New folder of the dataset without these rows.")
@click.option("--json", "as_json", is_flag=True, help="Print every hit as a line of JSON.")
def scan_command(
    dataset: str, index: Path, index_sha256: str | None, min_matches: int, min_percent: int, out: Path | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Find the rows of a dataset that hold evaluation items.

    No WARC is read. The rows are those that the recipe's stage `decontaminate` would drop. With --out, a new dataset
    leaves them out, however many they are. Its manifest names the index by sha256, and `finest verify` matches every
    row with it again.

    \b
    finest decontaminate scan my-dataset --index evaluations.decon --out clean
    finest decontaminate alice/web-2025-26@4c1f0c2f9a5d1f4b2f1d0a3e5b6c7d8e9f0a1b2c --index evaluations.decon --json
    """
    with lean_imports():
        from finest.cli.views.decontaminate import print_hit, show_scan
        from finest.cli.views.select import Examined, show_selection
        from finest.dataset.decontaminated import Decontaminated
        from finest.dataset.location import open_anywhere
        from finest.pipeline.decontaminate.indexes import keep_index
        from finest.pipeline.decontaminate.scan import scan
        from finest.pipeline.select import select_by
        from finest.recipe.decontaminate.index import read_index
        from finest.recipe.decontaminate.match import Matcher

    cache = load_settings().cache
    found, sha256 = read_index(index, index_sha256)
    matcher = Matcher(found, min_matches, min_percent)
    with open_anywhere(dataset, say=say) as opened:
        with Examined(quiet=as_json) as examined:
            each = print_hit if as_json else lambda _: None
            result = scan(opened, matcher, examined.begin(opened.manifest.rows), each)
        if not as_json:
            show_scan(console(), result, found, sha256)
        if out is not None and not result.hits:
            say(f"No row holds an item: {out} is not written, the dataset can be used as it is")
        elif out is not None:
            keep_index(index, sha256, cache)
            rule = Decontaminated(index_sha256=sha256, min_matches=min_matches, min_percent=min_percent)
            with Examined(quiet=as_json) as examined:
                manifest = select_by(opened, rule, out, cache, say=say, progress=examined.begin)
            if not as_json:
                show_selection(console(), dataset, out, manifest)
