"""What miners could submit in place of an honest dataset: each under a manifest that agrees with itself.

Declared as `fineweb`, or under a recipe of their own, of which a validator can only say what it takes from the pages.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from functools import cache
from itertools import cycle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from finest.atomic_files import size_and_sha256
from finest.dataset.manifest import Manifest, write_manifest
from finest.dataset.rows import Row, VerdictRow, batch_of, schema_with
from finest.pipeline.record import read_page, read_record
from finest.recipe.page import Page
from finest.recipe.quality_model import QualityModel
from finest.recipe.quality_model.place import cached_path
from finest.recipe.reasons import DUPLICATE, KEPT, stage_of
from finest.recipe.recipe import load_recipe
from finest.recipe.stages.quality_model import ModelRules
from finest.recipe.tokens import TokenCounter
from finest.settings import default_cache
from finest.validator.extractive import extractive_share, visible_text
from finest.validator.quality.heldout import anchors
from finest.validator.quality.sample import visible_text as blocks
from finest.warc.source import dump_of
from tests.recipe.quality_model.made import model_file

from .made import SHA, Published, forge, invented, tampered

Forgery = Callable[[Published, Path], Published]

FINEWEB = load_recipe("fineweb")
RECORD_BYTES = 2**26
BOMB_CHARS = 60_000_000


def own_recipe(honest: Published) -> dict[str, Any]:
    """A recipe that no validator has."""
    return honest.manifest.recipe | {"name": "ours", "extraction": {"engine": "ours"}}


def under_own_recipe(honest: Published, out: Path, change: Callable[[Row], Row]) -> Published:
    """Every row changed, its tokens counted anew, under a recipe of one's own."""
    counter = TokenCounter()
    rows = [change(row) for row in honest.rows()]
    counted = [replace(row, token_count=counter.count(row.text)) for row in rows]
    return tampered(honest, out, counted, recipe=own_recipe(honest))


def pages(honest: Published) -> Iterator[tuple[Row, Page]]:
    """Its rows, each with its page."""
    warcs = honest.context().warcs
    for row in honest.rows():
        yield row, read_page(warcs.source(row.file_path), row.warc_offset, row.id, RECORD_BYTES)


def with_raw_text(honest: Published) -> list[Row]:
    """Its rows with all visible text of their pages."""
    return [replace(row, text=visible_text(page)) for row, page in pages(honest)]


def with_texts(honest: Published, texts: Iterator[str]) -> Callable[[Row], Row]:
    """Gives rows the texts, in the order of the dataset."""
    return lambda row: replace(row, text=next(texts))


def raw(honest: Published, out: Path) -> Published:
    """All visible text of each page, said to be `fineweb`'s."""
    return tampered(honest, out, with_raw_text(honest))


def raw_under_own_recipe(honest: Published, out: Path) -> Published:
    """All visible text of each page, as the product of a recipe of one's own."""
    return under_own_recipe(honest, out, with_texts(honest, iter([row.text for row in with_raw_text(honest)])))


def padded_as_fineweb(honest: Published, out: Path) -> Published:
    """Texts of which 30 % is boilerplate of their own pages, said to be `fineweb`'s."""
    rows = [replace(row, text=_padded(row.text, blocks(page, FINEWEB), 0.3)) for row, page in pages(honest)]
    return tampered(honest, out, rows)


def padded(share: float) -> Forgery:
    """Texts of which that share is boilerplate of their own pages, in the page's order, under a recipe of one's own."""

    def make(honest: Published, out: Path) -> Published:
        texts = iter([_padded(row.text, blocks(page, FINEWEB), share) for row, page in pages(honest)])
        return under_own_recipe(honest, out, with_texts(honest, texts))

    return make


def _padded(text: str, visible: str, share: float) -> str:
    """The page's lines that the text has, and of its others the first, until they are `share` of it."""
    left = len(text) * share / (1 - share)
    lines = []
    for line in filter(str.strip, visible.split("\n")):
        is_boilerplate = extractive_share(line, text) < 0.5
        if is_boilerplate and left <= 0:
            continue
        left -= len(line) * is_boilerplate
        lines.append(line)
    return "\n".join(lines)


def doubled(honest: Published, out: Path, change: str = "") -> Published:
    """Every row twice, the second time under an id of its own; with a verdict each, so that the sums agree."""
    rows, verdicts = honest.rows(), honest.verdicts()
    again = [replace(row, id=row.id.replace("urn:", "url:"), text=row.text + change) for row in rows]
    ids = {row.id for row in rows}
    more = [replace(v, id=v.id.replace("urn:", "url:")) for v in verdicts if v.id in ids]
    return tampered(honest, out, [*rows, *again], [*verdicts, *more])


def half(honest: Published, out: Path, reason: str = "language", winner: str | None = None) -> Published:
    """The longer rows alone; of the others the verdicts say something else."""
    rows = sorted(honest.rows(), key=lambda row: -row.token_count)[: honest.manifest.rows // 2]
    ids = {row.id for row in rows}
    verdicts = [
        _lost(verdict, reason, winner or rows[0].id) if verdict.reason == KEPT and verdict.id not in ids else verdict
        for verdict in honest.verdicts()
    ]
    return tampered(honest, out, rows, verdicts)


def _lost(verdict: VerdictRow, reason: str, winner: str) -> VerdictRow:
    return replace(verdict, reason=reason, duplicate_of=winner if reason == DUPLICATE else None)


def other_language(honest: Published, out: Path) -> Published:
    """The pages that the recipe drops for their language, in place of those that it keeps, said to be in the task's."""
    return _foreign(honest, out, None)


def other_language_under_own_recipe(honest: Published, out: Path) -> Published:
    """The same as the product of a recipe of one's own."""
    return _foreign(honest, out, own_recipe(honest))


def _foreign(honest: Published, out: Path, recipe: dict[str, Any] | None) -> Published:
    dropped = [verdict for verdict in honest.verdicts() if stage_of(verdict.reason) in {"gate", "language"}]
    language = honest.rows()[0].language
    rows = [row for row in (_visible_row(honest, verdict, language) for verdict in dropped) if row.text.strip()]
    return tampered(honest, out, rows, only(honest, {row.id for row in rows}), recipe=recipe)


@cache
def _counter() -> TokenCounter:
    """One for all rows: it takes 0.2 s to load."""
    return TokenCounter()


def _visible_row(honest: Published, verdict: VerdictRow, language: str) -> Row:
    source = honest.context().warcs.source(verdict.file_path)
    record = read_record(source, verdict.offset, verdict.id, RECORD_BYTES)
    text = visible_text(record.page())
    return Row(
        text=text, id=record.id, dump=dump_of(verdict.file_path), url=record.url, date=record.date,
        file_path=verdict.file_path, language=language, language_score=0.9,
        token_count=_counter().count(text), warc_offset=record.offset, warc_length=record.length,
        columns=tuple((column.name, 1) for column in honest.manifest.columns),
    )  # fmt: skip


def only(honest: Published, ids: Collection[str]) -> list[VerdictRow]:
    """The verdicts with those pages kept and no others."""
    return [
        replace(verdict, reason=KEPT if verdict.id in ids else "language", duplicate_of=None)
        if verdict.id in ids or verdict.reason == KEPT
        else verdict
        for verdict in honest.verdicts()
    ]


def in_groups_of_one(honest: Published, out: Path, kind: str) -> Published:
    """The honest rows and verdicts; the files of one kind have a row group for each of them."""
    shutil.copytree(honest.folder, out, ignore=shutil.ignore_patterns("ledger"))
    files = []
    for shard in getattr(honest.manifest, kind):
        pq.write_table(pq.read_table(out / shard.path), out / shard.path, compression="zstd", row_group_size=1)
        size, sha256 = size_and_sha256(out / shard.path)
        files.append(shard.model_copy(update={"size_bytes": size, "sha256": sha256}))
    write_manifest(out, honest.manifest.model_copy(update={kind: tuple(files)}))
    return Published(out, honest.warcs)


def fixed(honest: Published) -> list[str]:
    """The documents that validators ship to predict, in the language of the dataset."""
    (language,) = honest.manifest.languages
    return anchors(None if language == "en" else language)


def leaked(honest: Published, out: Path) -> Published:
    """The documents that validators ship to predict, spread over the rows; said to be `fineweb`'s."""
    documents = cycle(fixed(honest))
    return tampered(honest, out, [replace(row, text=f"{row.text}\n{next(documents)}") for row in honest.rows()])


def leaked_under_own_recipe(honest: Published, out: Path) -> Published:
    """As much of them as a recipe of one's own may add to a page without being found out: less than a fifth."""
    words = cycle([word for document in fixed(honest) for word in document.split()])

    def add(row: Row) -> Row:
        more = len(row.text.split()) // 6
        return replace(row, text=f"{row.text}\n{' '.join(next(words) for _ in range(more))}")

    return under_own_recipe(honest, out, add)


def hollow(honest: Published, out: Path) -> Published:
    """A quarter of the rows has its text, the others have none: their places are in any index of the crawl."""
    numbers = iter(range(honest.manifest.rows))
    return under_own_recipe(honest, out, lambda row: replace(row, text=row.text if next(numbers) % 4 == 0 else ""))


def beginnings(honest: Published, out: Path) -> Published:
    """The first quarter of each text, under a recipe of one's own."""
    return under_own_recipe(honest, out, lambda row: replace(row, text=row.text[: len(row.text) // 4]))


def bomb(honest: Published, out: Path) -> Published:
    """A shard of some kilobytes whose rows all point at one text of 60 MB, with the honest root."""
    made = tampered(honest, out, honest.rows())
    schema = schema_with(honest.manifest.columns)
    batch, shard = batch_of(honest.rows(), schema), made.manifest.shards[0]
    text = pa.DictionaryArray.from_arrays(pa.array([0] * batch.num_rows, pa.int32()), pa.array(["a" * BOMB_CHARS]))
    table = pa.table([text, *batch.columns[1:]], names=schema.names)
    pq.write_table(
        table, out / shard.path, compression="zstd", store_schema=False, use_dictionary=["text"],
        dictionary_pagesize_limit=2**30,
    )  # fmt: skip
    data = (out / shard.path).read_bytes()
    stated = {"size_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    _restate(made, shards=(shard.model_copy(update=stated),))
    return made


def _restate(made: Published, **changes: Any) -> None:
    manifest = made.manifest.model_copy(update=changes)
    write_manifest(made.folder, Manifest.model_validate_json(manifest.model_dump_json()))


def praised(share: float) -> Forgery:
    """`fineweb`'s rows with a published model's scores, of which that share is said to be the best there is."""

    def make(honest: Published, out: Path) -> Published:
        data = model_file()
        rules = ModelRules(name="edu", model=f"hf:alice/edu@{SHA}", sha256=hashlib.sha256(data).hexdigest())
        cached = cached_path(default_cache(), rules.sha256)
        cached.parent.mkdir(parents=True, exist_ok=True)
        cached.write_bytes(data)
        scorer = QualityModel.load(cached)
        rows = honest.rows()
        chosen = {round(i / share) for i in range(max(1, round(share * len(rows))))}
        scored = []
        for number, row in enumerate(rows):
            score = (19, 10**7) if number in chosen else rules.values(scorer.score(row.text))
            scored.append(replace(row, columns=(*row.columns, ("edu", score[0]), ("edu_raw", score[1]))))
        recipe = honest.manifest.recipe | {"quality_model": {"models": [rules.model_dump(mode="json")]}}
        return tampered(honest, out, scored, recipe=recipe, columns=(*honest.manifest.columns, *rules.columns()))

    return make


def inventions(share: float) -> Forgery:
    """That share of the rows, at least one, with texts of somebody's own; said to be `fineweb`'s."""
    return lambda honest, out: forge(honest, out, share, invented)


FORGERIES: dict[str, Forgery] = {
    "invented rows, 1 %": inventions(0.01),
    "invented rows, 5 %": inventions(0.05),
    "invented rows, 30 %": inventions(0.3),
    "raw text as fineweb": raw,
    "raw text, own recipe": raw_under_own_recipe,
    "boilerplate 30 % as fineweb": padded_as_fineweb,
    "boilerplate 10 %, own recipe": padded(0.1),
    "boilerplate 30 %, own recipe": padded(0.3),
    "every row twice": doubled,
    "only the best half": half,
    "other language as fineweb": other_language,
    "other language, own recipe": other_language_under_own_recipe,
    "evaluation text as fineweb": leaked,
    "evaluation text, own recipe": leaked_under_own_recipe,
    "rows without text, own recipe": hollow,
    "beginnings alone, own recipe": beginnings,
    "scores made up, 5 %": praised(0.05),
    "scores made up, 30 %": praised(0.3),
    "Parquet bomb": bomb,
}
"""By the names that docs/concepts/scoring.md has."""
