"""`--engine datatrove`: run DataTrove's own steps in the middle of the pipeline, for comparison.

The reader, the writer and the ledger are finest's; extraction, language identification and the filters are DataTrove's,
unmodified, with FineWeb's parameters. This engine is several times slower. It supports only recipes with FineWeb's
values, and it does not run the gate, which DataTrove does not have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from datatrove.data import Document
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

from finest.errors import RecipeError
from finest.recipe.judge import KEPT, READING, PageState, Toolbox, Verdict, toolbox
from finest.recipe.pii import redact
from finest.recipe.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from finest.pipeline.steps import Session

NO_TIMEOUT_S = 3600.0
"""Effectively no timeout: DataTrove limits extraction by wall-clock time, so its output would depend on the load."""


def datatrove_steps(session: Session, recipe: Recipe, cache: Path) -> list[PipelineStep]:
    """Return DataTrove's FineWeb steps for the middle of the pipeline; raises RecipeError for any other recipe."""
    if recipe.hash != load_recipe("fineweb").without_gate().hash:
        raise RecipeError("--engine datatrove supports only FineWeb's own thresholds: use it with --recipe fineweb")
    drops = Drops()
    return [
        DecodePages(session, recipe, cache, drops),
        URLFilter(exclusion_writer=DropWriter(drops, "url_")),
        Trafilatura(favour_precision=True, timeout=NO_TIMEOUT_S, deduplicate=False),
        LanguageByPath(toolbox(recipe, cache), recipe, DropWriter(drops, "")),
        GopherRepetitionFilter(exclusion_writer=DropWriter(drops, "repetition_")),
        GopherQualityFilter(exclusion_writer=DropWriter(drops, "quality_", "gopher_")),
        C4QualityFilter(filter_no_terminal_punct=False, exclusion_writer=DropWriter(drops, "c4_")),
        FineWebQualityFilter(exclusion_writer=DropWriter(drops, "fineweb_")),
        FinishPages(recipe, cache, drops),
    ]


class Drops:
    """The pages of one slice that are still inside DataTrove's steps, and the pages that those steps dropped."""

    def __init__(self) -> None:
        self.open: dict[int, Document] = {}
        self.dropped: list[Document] = []

    def drop(self, document: Document, verdict: Verdict) -> None:
        self.open.pop(document.metadata["number"], None)
        document.metadata["verdict"] = verdict
        self.dropped.append(document)


class DropWriter:
    """Takes the place of DataTrove's exclusion writer and turns each excluded document into a drop with a reason."""

    def __init__(self, drops: Drops, prefix: str, strip: str = "") -> None:
        self._drops, self._prefix, self._strip = drops, prefix, strip

    def __enter__(self) -> DropWriter:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def write(self, document: Document, rank: int = 0) -> None:  # noqa: ARG002
        reason = document.metadata.get("filter_reason", "language").removeprefix(self._strip)
        metadata = document.metadata
        self._drops.drop(document, Verdict(
            self._prefix + reason, seen=document.text if "language" in metadata else "",
            language=metadata.get("language"), language_score=metadata.get("language_score"),
            payload_bytes=metadata["payload_bytes"],
        ))  # fmt: skip


class DecodePages(PipelineStep):
    """Checks type and encoding as DataTrove's WARC reader does, and sets the document's text to its HTML."""

    type, name = "READER", "decode"

    def __init__(self, session: Session, recipe: Recipe, cache: Path, drops: Drops) -> None:
        super().__init__()
        self.session, self.recipe, self.cache, self.drops = session, recipe, cache, drops

    def run(self, data: Iterator[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:  # noqa: ARG002
        self.drops.open.clear()
        self.drops.dropped.clear()
        for number, document in enumerate(data):
            document.metadata["number"] = number
            verdict = document.metadata.get("verdict") or self._read(document)
            if verdict.kept:
                self.drops.open[number] = document
                yield document
            else:
                self.drops.drop(document, verdict)

    def _read(self, document: Document) -> Verdict:
        """Fill in the document's text and return a kept verdict, or return the reason why the page is dropped."""
        state = PageState(document.metadata["record"].page())
        tools = toolbox(self.recipe, self.cache)
        for stage in READING:
            for check in stage.run(state, tools.rules[stage.section], tools):
                if check.failed:
                    return Verdict(check.reason, payload_bytes=len(state.response.body))
        document.text = state.html
        document.metadata["payload_bytes"] = len(state.response.body)
        return Verdict(KEPT)


class LanguageByPath(LanguageFilter):
    """DataTrove's language filter with the model file that the recipe names, so that nothing is downloaded.

    DataTrove requires the distribution `fasttext-numpy2-wheel`. `fasttext-predict` provides the same module with the
    same results, so `__new__` skips that check.
    """

    def __new__(cls, *_: Any, **__: Any) -> LanguageByPath:
        return object.__new__(cls)

    def __init__(self, tools: Toolbox, recipe: Recipe, drops: DropWriter) -> None:
        super().__init__(
            languages=list(recipe.language.languages), language_threshold=recipe.language.threshold,
            exclusion_writer=drops,
        )  # fmt: skip
        self.model = _Model(tools, recipe.language.languages)


class _Model:
    """Our language model behind the interface of DataTrove's LID."""

    def __init__(self, tools: Toolbox, languages: tuple[str, ...]) -> None:
        self._tools, self._languages = tools, languages

    def predict(self, document: Document) -> tuple[tuple[str, float], dict[str, float]]:
        model = self._tools.model
        scores = {language: model.score(document.text, language) for language in self._languages}
        return model.best(document.text), scores


class FinishPages(PipelineStep):
    """Gives every page a verdict: kept if it passed all steps, `extraction_empty` if it vanished inside them."""

    type, name = "WRITER", "verdicts"

    def __init__(self, recipe: Recipe, cache: Path, drops: Drops) -> None:
        super().__init__()
        self.recipe, self.cache, self.drops = recipe, cache, drops

    def run(self, data: Iterator[Document], rank: int = 0, world_size: int = 1) -> Iterator[Document]:  # noqa: ARG002
        tools = toolbox(self.recipe, self.cache)
        pages = []
        for document in data:
            self.drops.open.pop(document.metadata["number"], None)
            document.metadata["verdict"] = self._kept(document, tools)
            pages.append(document)
        for document in list(self.drops.open.values()):
            self.drops.drop(document, Verdict("extraction_empty", payload_bytes=document.metadata["payload_bytes"]))
        yield from sorted([*pages, *self.drops.dropped], key=lambda document: document.metadata["number"])

    def _kept(self, document: Document, tools: Toolbox) -> Verdict:
        text = document.text
        return Verdict(
            KEPT, text=redact(text, self.recipe.pii), token_count=tools.token_counter.count(text),
            signature=tools.signer.sign(text, tools.tokenizer) if self.recipe.dedup.enabled else None,
            language=document.metadata["language"], language_score=document.metadata["language_score"], seen=text,
            payload_bytes=document.metadata["payload_bytes"],
        )  # fmt: skip
