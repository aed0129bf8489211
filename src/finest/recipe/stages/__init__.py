"""The stages of every recipe, in the order in which they judge a page."""

from typing import Any

from finest.recipe.stage import Stage
from finest.recipe.stages.c4 import C4
from finest.recipe.stages.dedup import DEDUP
from finest.recipe.stages.extraction import EXTRACTION
from finest.recipe.stages.fineweb import FINEWEB
from finest.recipe.stages.gate import CLD2_GATE, TEXT_GATE
from finest.recipe.stages.http import HTTP
from finest.recipe.stages.language import LANGUAGE
from finest.recipe.stages.payload import ENCODING, MARKUP, PAYLOAD
from finest.recipe.stages.pii import PII
from finest.recipe.stages.quality import QUALITY
from finest.recipe.stages.quality_model import QUALITY_MODEL
from finest.recipe.stages.repetition import REPETITION
from finest.recipe.stages.tokens import TOKENS
from finest.recipe.stages.url import URL

FILTERS: tuple[Stage[Any], ...] = (
    HTTP,
    PAYLOAD,
    URL,
    CLD2_GATE,
    ENCODING,
    MARKUP,
    TEXT_GATE,
    EXTRACTION,
    LANGUAGE,
    REPETITION,
    QUALITY,
    C4,
    FINEWEB,
)
"""FineWeb's order, except that cheap checks that safely drop pages run before extraction."""
ROW: tuple[Stage[Any], ...] = (
    PII,
    QUALITY_MODEL,
    TOKENS,
    DEDUP,
)
"""The stages that make the row's text and its columns. Stages that other packages add run before them."""
STAGES: tuple[Stage[Any], ...] = (*FILTERS, *ROW)
READING: tuple[Stage[Any], ...] = (HTTP, PAYLOAD, ENCODING)
"""The stages that turn a record into HTML."""
