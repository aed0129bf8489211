"""Label pages: draw them, ask a person or a model, keep every answer at once, and write Parquet in the end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finest.errors import UsageError
from finest.models.documents import Source
from finest.models.labelling.asking import Question, ask_all
from finest.models.labelling.desk import Desk
from finest.models.labelling.endpoint import MAX_TOKENS, Endpoint, Say
from finest.models.labelling.journal import Journal
from finest.models.labelling.pages import Page, Progress, draw, identities
from finest.models.labelling.scale import Scale
from finest.models.labelling.server import serve
from finest.models.labelling.table import write_labels

JOURNAL_SUFFIX = ".journal"


@dataclass(frozen=True, slots=True)
class LabelOptions:
    """The pages to label, the model that labels them, and the output file."""

    sources: tuple[Source, ...]
    out: Path
    """The Parquet file; the journal lies beside it."""
    scale: Scale
    pages: int

    @property
    def journal(self) -> Path:
        return self.out.with_name(self.out.name + JOURNAL_SUFFIX)


def check_options(options: LabelOptions) -> None:
    """Raise UsageError for an output that cannot be written, before anything is read."""
    if not options.out.name.endswith(".parquet"):
        raise UsageError(f"--out {options.out}: name a file that ends in .parquet")
    if not options.out.parent.is_dir():
        raise UsageError(f"--out {options.out}: there is no folder {options.out.parent}; create it first")
    if options.out.exists() and not options.journal.exists():
        raise UsageError(f"{options.out} exists, without the {options.journal.name} of a labelling; name another --out")


def label_by_hand(
    options: LabelOptions, by: str, port: int, progress: Progress, opened: Callable[[str], None], say: Say
) -> None:
    """Serve the pages in the browser until the person is done, or until KeyboardInterrupt; then write the labels.

    `opened` receives the address to open. Raises UsageError for options that do not fit the journal.
    """
    with _labelling(options, {}, progress, say) as (pages, journal):
        desk = Desk(pages, journal, options.scale, by)
        with serve(desk, port) as address:
            opened(address)
            try:
                desk.finished.wait()
            except KeyboardInterrupt:
                say("Stopped.")


def label_by_model(options: LabelOptions, endpoint: Endpoint, question: Question, progress: Progress, say: Say) -> None:
    """Ask the model about every page, and write the labels, also when the endpoint fails or on KeyboardInterrupt."""
    told = {
        "model": question.model, "prompt": question.prompt, "max_chars": question.max_chars,
        "prompt_sha256": hashlib.sha256(question.prompt.encode()).hexdigest(), "max_tokens": MAX_TOKENS,
    }  # fmt: skip
    with _labelling(options, told, progress, say, endpoint=endpoint.name) as (pages, journal):
        ask_all(pages, journal, options.scale, endpoint, question, progress)


@contextmanager
def _labelling(
    options: LabelOptions, told: dict[str, Any], progress: Progress, say: Say, **more: str
) -> Iterator[tuple[Sequence[Page], Journal]]:
    """Give the drawn pages and the open journal; write the labels when the block ends, however it ends.

    `told` is provenance that may not change when a labelling is continued; `more` is provenance that may.
    """
    head = {"labels": list(options.scale.labels), "sources": identities(options.sources, progress), **told}
    with Journal(options.journal, head) as journal:
        pages = draw(options.sources, options.pages, progress)
        try:
            yield pages, journal
        finally:
            rows = write_labels(options.out, pages, journal, options.scale, {**head, **more})
            say(_written(options.out, rows, journal))


def _written(out: Path, rows: int, journal: Journal) -> str:
    others = ((journal.count("skip"), "skipped"), (journal.count("unparsable"), "with an answer that is no label"),
              (journal.count("refused"), "refused by the endpoint"))  # fmt: skip
    more = "".join(f", {count:,} {what}" for count, what in others if count)
    wrote = f"Wrote {out}" if rows else f"No label yet; {journal.path} is kept"
    return f"{wrote}: {rows:,} labels{more}"
