"""The evaluation index of a submitted recipe: it is fetched by its sha256, and rows are matched with it again.

A recipe with the section `decontaminate` drops pages by an index that its author chose, so it stays an unknown recipe:
how many pages its dataset lacks is measured against the reference recipe, and dropping pages by an index is not paid.
But whoever says that a dataset holds no evaluation items is held to it: a row that holds one is forged.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from finest.errors import HubNotFound, RecipeError, UsageError, VerifyError
from finest.pipeline.decontaminate.indexes import fetch_index, forget_indexes
from finest.recipe.decontaminate.index import read_index
from finest.recipe.decontaminate.match import Matcher
from finest.recipe.stages.decontaminate import DecontaminateRules, described, is_on_hub
from finest.validator.models import MAX_WORDS, Check

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finest.dataset.manifest import Manifest
    from finest.dataset.rows import Row
    from finest.validator.context import AuditContext
    from finest.validator.models import RowFinding

MAX_FETCHED_BYTES = 128 << 20
"""The largest index that is fetched for a submission: about 6 million n-grams, those of some 200,000 questions."""
MAX_KEPT_BYTES = 1 << 30
"""Indexes that strangers named may fill this much of the cache; the longest unused leave it first."""


def index_rules(manifest: Manifest) -> DecontaminateRules:
    """Return the manifest's section `decontaminate`; without an index if this version cannot read the section."""
    try:
        return DecontaminateRules.model_validate(manifest.recipe.get("decontaminate", {}))
    except ValidationError:
        return DecontaminateRules()


def check_index(manifest: Manifest, context: AuditContext) -> Iterator[Check]:
    """Fetch the index of a recipe, if it has one. Raises HubError if the Hub is unreachable, which gives no evidence.

    An index that nobody can fetch, or that is none, is the miner's fault.
    """
    rules = index_rules(manifest)
    if not rules.enabled:
        return
    if not is_on_hub(rules.index):
        why = f"index {rules.index} is a file of the miner; publish it and name it as hf:OWNER/NAME@REVISION:FILE.decon"
        yield Check(name="index", outcome="fail", detail=why[:MAX_WORDS])
        return
    try:
        forget_indexes(context.cache, MAX_KEPT_BYTES)
        path = fetch_index(
            rules, context.cache, most_bytes=MAX_FETCHED_BYTES, token=context.token, say=context.say
        )  # fmt: skip
        read_index(path, rules.index_sha256)
    except (HubNotFound, RecipeError, UsageError, VerifyError) as error:
        yield Check(name="index", outcome="fail", detail=str(error)[:MAX_WORDS])
    else:
        yield Check(name="index", outcome="pass")


@dataclass(frozen=True, slots=True)
class RowItems:
    """The index of an unknown recipe, whose items no row may hold."""

    matcher: Matcher | None

    @classmethod
    def of(cls, manifest: Manifest, context: AuditContext) -> RowItems:
        """Load the index that `check_index` has fetched."""
        rules = index_rules(manifest)
        if not rules.enabled:
            return cls(None)
        path = fetch_index(rules, context.cache, most_bytes=MAX_FETCHED_BYTES, token=context.token, say=context.say)
        return cls(Matcher(read_index(path, rules.index_sha256)[0], rules.min_matches, rules.min_percent))

    def checked(self, finding: RowFinding, row: Row) -> RowFinding:
        """Return the finding, or a forged row if its text holds an item."""
        if finding.outcome != "same" or self.matcher is None:
            return finding
        found = self.matcher.best(row.text)
        if found is None or not found.is_copy:
            return finding
        detail = f"its recipe drops texts with evaluation items: {described(found, self.matcher, row.text)}"
        return finding.model_copy(update={"outcome": "forged", "found": None, "detail": detail[:MAX_WORDS]})
