"""The stages of every recipe, in the order in which they judge a page."""

from typing import Any, NamedTuple

from finest.recipe.stage import Stage
from finest.recipe.stages.c4 import C4
from finest.recipe.stages.decontaminate import DECONTAMINATE
from finest.recipe.stages.dedup import DEDUP
from finest.recipe.stages.extraction import EXTRACTION
from finest.recipe.stages.fineweb import FINEWEB
from finest.recipe.stages.ftfy import FTFY
from finest.recipe.stages.gate import CLD2_GATE, TEXT_GATE
from finest.recipe.stages.http import HTTP
from finest.recipe.stages.language import LANGUAGE
from finest.recipe.stages.payload import ENCODING, MARKUP, PAYLOAD
from finest.recipe.stages.pii import PII
from finest.recipe.stages.quality import QUALITY
from finest.recipe.stages.quality_model import QUALITY_MODEL
from finest.recipe.stages.repetition import REPEATED_LINES, REPEATED_NGRAMS
from finest.recipe.stages.symbol_lines import SYMBOL_LINES
from finest.recipe.stages.tokens import TOKENS
from finest.recipe.stages.url import URL

_READ: tuple[Stage[Any], ...] = (HTTP, PAYLOAD, URL, CLD2_GATE, ENCODING, MARKUP, TEXT_GATE, EXTRACTION, LANGUAGE)
"""FineWeb's order, except that cheap checks that safely drop pages run before extraction."""
_REPETITION: tuple[Stage[Any], ...] = (REPEATED_LINES, REPEATED_NGRAMS)
FILTERS: tuple[Stage[Any], ...] = (*_READ, *_REPETITION, QUALITY, C4, FINEWEB)
_TEXT: tuple[Stage[Any], ...] = (FTFY, PII, SYMBOL_LINES, QUALITY_MODEL, DECONTAMINATE, TOKENS)
ROW: tuple[Stage[Any], ...] = (*_TEXT, DEDUP)
"""The stages that make the row's text and its columns. Stages that other packages add run before them."""
STAGES: tuple[Stage[Any], ...] = (*FILTERS, *ROW)
READING: tuple[Stage[Any], ...] = (HTTP, PAYLOAD, ENCODING)
"""The stages that turn a record into HTML."""


class Order(NamedTuple):
    """The stages in one of the orders that a recipe can ask for."""

    filters: tuple[Stage[Any], ...]
    row: tuple[Stage[Any], ...]
    """The stages after those that other packages add."""

    @property
    def dedup_first(self) -> bool:
        """Whether pages are deduplicated before the quality filters, so that dropped pages have a signature too."""
        return DEDUP in self.filters


ORDERS: dict[str, Order] = {
    "fineweb": Order(FILTERS, ROW),
    "fineweb-2": Order((*_READ, DEDUP, *_REPETITION, FINEWEB, QUALITY, C4), _TEXT),
}
"""The orders by the value of a recipe's key `order`."""
