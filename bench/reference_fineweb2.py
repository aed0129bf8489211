"""DataTrove's own FineWeb-2 steps, as the reference for equality and cost.

The steps are DataTrove 0.10.1's classes in the order and with the values of huggingface/fineweb-2's
`fineweb-2-pipeline.py`, and the settings of each language in the published configurations. They differ from that file
in what a reference needs, as `bench.reference` says, and in the label: it is given by the caller, since GlotLID is not
here. The filter of English pages says `["en"]`: without it, DataTrove 0.10.1 would keep any language above 0.65.
"""

from __future__ import annotations

import gzip
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.dedup import (
    MinhashConfig,
    MinhashDedupBuckets,
    MinhashDedupCluster,
    MinhashDedupSignature,
)
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter, URLFilter
from datatrove.pipeline.formatters import FTFYFormatter, PIIFormatter, SymbolLinesFormatter
from datatrove.pipeline.readers import JsonlReader, WarcReader
from datatrove.utils.hashing import HashConfig
from tldextract import TLDExtract

from bench.reference import KEPT, NO_LIMIT_S, _LanguageFilter, _responses, _with_record_number, _writer
from bench.reference_dedup import _numbers

MINHASH = MinhashConfig(
    hash_config=HashConfig(hash_fc="xxhash", precision=64), num_buckets=14, hashes_per_bucket=8, n_grams=5
)
Label = Callable[[str], tuple[str, float]]
"""Returns the language of a text, as a code of FineWeb-2, and its score."""
Settings = dict[str, Any]
"""One of the published configurations."""


@dataclass(frozen=True, slots=True)
class Page:
    """What DataTrove made of one response record."""

    id: str
    url: str
    reason: str
    text: str = ""
    language: str = ""
    cluster_size: int = 1
    kept_instead: str = ""


@dataclass(slots=True)
class Cost:
    """CPU seconds of the steps, and the pages that each language's steps saw."""

    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    pages: Counter[str] = field(default_factory=Counter)

    def timed(self, name: str, run: Callable[[], Any]) -> Any:
        before = time.process_time()
        try:
            return run()
        finally:
            self.seconds[name] += time.process_time() - before


def run_reference(
    warcs: Sequence[Path], out: Path, label: Label, configs: dict[str, Settings], cost: Cost | None = None
) -> list[Page]:
    """Run the pipeline over `warcs` into the new folder `out` for the languages in `configs`.

    Returns the pages in file order. `language_score` in a configuration is the threshold of the label's score.
    """
    cost = cost or Cost()
    out.mkdir(parents=True)
    found, texts = _extracted(warcs, out)
    by_language: dict[str, list[int]] = defaultdict(list)
    for number, (page, text) in enumerate(zip(found, texts, strict=True)):
        if text is None:
            continue
        code, score = label(text)
        if code in configs and score >= configs[code]["language_score"]:
            by_language[code].append(number)
        else:
            found[number] = Page(page.id, page.url, "language", text, code)
    for code, numbers in sorted(by_language.items()):
        pages = [(found[number].id, found[number].url, texts[number] or "") for number in numbers]
        for number, page in zip(numbers, _in_language(code, pages, configs[code], out / code, cost), strict=True):
            found[number] = page
    return found


def _extracted(warcs: Sequence[Path], out: Path) -> tuple[list[Page], list[str | None]]:
    """Run the steps up to the filter of English; returns pages, and the text of each page that is not English."""
    paths = out / "warcs.txt"
    paths.write_text("".join(f"{warc.resolve().relative_to('/')}\n" for warc in warcs))
    url = URLFilter(exclusion_writer=_writer(out, "url"))
    url.tldextractor = TLDExtract(suffix_list_urls=())
    steps = [
        WarcReader("/", paths_file=str(paths), adapter=_with_record_number),
        url,
        Trafilatura(favour_precision=True, timeout=NO_LIMIT_S, deduplicate=False),
        _LanguageFilter(["en"], exclusion_writer=_writer(out, "other")),
        _writer(out, "english"),
    ]
    LocalPipelineExecutor(steps, tasks=len(warcs), workers=1, logging_dir=str(out / "logs")).run()
    written = {
        (row["metadata"]["file_path"].lstrip("/"), row["metadata"]["record"]): (stage, row)
        for stage in ("url", "other", "english")
        for row in _rows(out / stage)
    }
    pages: list[Page] = []
    texts: list[str | None] = []
    for warc in warcs:
        for record, id_, address, payload_reason in _responses(warc):
            stage, row = written.get((str(warc.resolve()).lstrip("/"), record), ("", {}))
            reason = {
                "": payload_reason or "extraction_empty",
                "english": "language_english",
                "url": f"url_{row.get('metadata', {}).get('filter_reason')}",
                "other": "",
            }[stage]
            pages.append(Page(id_, address, reason))
            texts.append(row["text"] if stage == "other" else None)
    return pages, texts


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    for part in sorted(folder.glob("*.jsonl.gz")):
        with gzip.open(part, "rt", encoding="utf-8") as lines:
            yield from map(json.loads, lines)


def _in_language(
    code: str, pages: list[tuple[str, str, str]], config: Settings, out: Path, cost: Cost
) -> Iterator[Page]:  # fmt: skip
    """Yield what the steps of one language make of its pages (id, URL and text), which passed its threshold."""
    winners, sizes = cost.timed("minhash", lambda: _clusters(code, [text for *_, text in pages], out))
    filters = _filters(code, config)
    cost.pages[code] += len(pages)
    for number, (id_, url, text) in enumerate(pages):
        if number in winners:
            yield Page(id_, url, "duplicate", text, code, sizes.get(number, 1), pages[winners[number]][0])
            continue
        reason = cost.timed("filters", partial(_dropped, text, filters))
        if reason is not None:
            yield Page(id_, url, reason, text, code, sizes.get(number, 1))
            continue
        final = cost.timed("last", partial(finished, text))
        yield Page(id_, url, KEPT, final, code, sizes.get(number, 1))


def finished(text: str) -> str:
    """Return the text after the last steps; a new PIIFormatter for each page, as our recipes do."""
    for formatter in (FTFYFormatter(), PIIFormatter(), SymbolLinesFormatter(["|"], replace_char="\n")):
        text = formatter.format(text)
    return text


def _filters(code: str, config: Settings) -> list[tuple[str, Any]]:
    return [
        ("repetition_", GopherRepetitionFilter(
            language=code, dup_para_frac=0, dup_line_char_frac=0, dup_para_char_frac=0,
            dup_line_frac=config["dup_line_frac"], top_n_grams=config["top_n_grams"],
            dup_n_grams=config["dup_n_grams"],
        )),
        ("fineweb_", FineWebQualityFilter(
            language=code, short_line_thr=999, char_duplicates_ratio=0.1, line_punct_thr=config["line_punct_thr"],
            new_line_ratio=config["new_line_ratio"],
        )),
        ("quality_", GopherQualityFilter(
            language=code, max_avg_word_length=config["max_avg_word_length"],
            min_avg_word_length=config["min_avg_word_length"], stop_words=config["stopwords"],
            max_non_alpha_words_ratio=config["max_non_alpha_words_ratio"], min_stop_words=2,
        )),
    ]  # fmt: skip


def _dropped(text: str, filters: list[tuple[str, Any]]) -> str | None:
    document = Document(text=text, id="")
    for prefix, step in filters:
        answer = step.filter(document)
        if answer is not True:
            return prefix + str(answer[1]).removeprefix("gopher_")
    return None


def _clusters(code: str, texts: list[str], out: Path) -> tuple[dict[int, int], dict[int, int]]:
    """Run DataTrove's MinHash over the texts of one language, in one task.

    Returns the surviving text of each removed one, and the size of the cluster of each text that is in one.
    """
    rows = out / "rows"
    rows.mkdir(parents=True)
    with (rows / "00000.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps({"id": str(i), "text": text or " "}) + "\n" for i, text in enumerate(texts))
    signatures, buckets, clusters = (str(out / name) for name in ("signatures", "buckets", "clusters"))
    stages: list[tuple[int, list[Any]]] = [
        (1, [JsonlReader(str(rows)), MinhashDedupSignature(signatures, MINHASH, language=code)]),
        (MINHASH.num_buckets, [MinhashDedupBuckets(signatures, buckets, config=MINHASH)]),
        (1, [MinhashDedupCluster(buckets, clusters, MINHASH, save_cluster_id=True, save_cluster_size=True)]),
    ]
    for number, (tasks, steps) in enumerate(stages):
        LocalPipelineExecutor(steps, tasks=tasks, workers=1, logging_dir=str(out / f"logs-{number}")).run()
    folder = Path(clusters)
    removed = set(_numbers(folder / "000000.remove"))
    members, sizes = _numbers(folder / "000000.clusters"), _numbers(folder / "000000.sizes")
    cluster_of = dict(zip(members[::2], members[1::2], strict=True))
    survivor = {cluster: row for row, cluster in cluster_of.items() if row not in removed}
    return {row: survivor[cluster_of[row]] for row in removed}, dict(zip(sizes[::2], sizes[1::2], strict=True))
