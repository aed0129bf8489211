"""The whole recipe as one DataTrove step."""

from __future__ import annotations

from pathlib import Path

from datatrove.data import Document
from datatrove.pipeline.writers.disk_base import DiskWriter

from finest.datatrove.checks import Checks, page_of_html
from finest.datatrove.filters import StageFilter
from finest.datatrove.reader import PAGE
from finest.recipe.recipe import Recipe


class RecipeFilter(StageFilter):
    """Judges each page by a whole recipe, from the response to the text, with the same verdicts as `finest refine`.

    Documents come from `WarcPages`, or from any reader that puts HTML in the text and its address in the metadata
    `url`, such as DataTrove's `WarcReader`. A kept document gets its text, and the metadata `language`,
    `language_score` and `token_count` (GPT-2 tokens, counted before e-mail and IP addresses are replaced). A dropped
    document goes to `exclusion_writer` with the text that the deciding stage saw, and the reason in `filter_reason`.

    The step keeps duplicates: DataTrove's MinHash steps remove them. `finest refine` compares pages before it replaces
    e-mail and IP addresses; for the same signatures, pass `replace_pii=False` and put DataTrove's `PIIFormatter` after
    the MinHash steps.

    The step does not limit the memory of a page, and a single call into compiled code cannot be interrupted;
    `finest refine` kills a worker that exceeds its memory or CPU time, and continues.
    """

    name = "🏅 Finest recipe"

    def __init__(
        self, recipe: str | Recipe = "fineweb", *, exclusion_writer: DiskWriter | None = None,
        cache: str | Path | None = None, replace_pii: bool = True,
    ) -> None:  # fmt: skip
        super().__init__(recipe, exclusion_writer=exclusion_writer, cache=cache)
        self.replace_pii = replace_pii

    def reason(self, doc: Document, checks: Checks) -> str | None:
        page = doc.metadata.pop(PAGE, None) or page_of_html(doc.text, doc.metadata.get("url"))
        verdict = checks.verdict(page)
        text = verdict.text if verdict.kept and self.replace_pii else verdict.seen
        doc.text = text or ""
        if verdict.language is not None:
            doc.metadata |= {"language": verdict.language, "language_score": verdict.language_score}
        if verdict.kept:
            doc.metadata["token_count"] = verdict.token_count
            return None
        return verdict.reason
