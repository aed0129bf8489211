"""What is known of a page while it is judged. Each stage reads and sets the fields that it declares, and no others."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from finest.recipe.payload import Message, Response

if TYPE_CHECKING:
    from finest.recipe.minhash import Signature
    from finest.recipe.page import Page
    from finest.recipe.words import Words

_NO_MESSAGE, _NO_RESPONSE = Message(b""), Response(b"", "")


@dataclass(slots=True)
class PageState:
    """A page and what the stages have found out about it so far."""

    page: Page
    exact: bool = False
    """Whether checks that pass must carry their exact value too; any stage may read this field."""
    message: Message = _NO_MESSAGE
    """The HTTP response: status, header and body as sent."""
    response: Response = _NO_RESPONSE
    """The body with all codings undone, its type and its charset."""
    html: str = ""
    encoding: str = ""
    """The encoding that the page was read in, by the Encoding Standard's name."""
    text: str = ""
    """The main text as the last stage left it, before PII is replaced."""
    language: str | None = None
    language_score: float | None = None
    words: Words | None = None
    """Counts and tokens of the text that extraction found."""
    token_count: int | None = None
    """GPT-2 tokens of the text."""
    signature: Signature | None = None
    """MinHash signature of the text; None where the text has too few words for a shingle."""
    row_text: str | None = None
    """The text with PII replaced, as the row has it."""
    columns: dict[str, object] = field(default_factory=dict)
    """Values of the columns that stages add to the row."""
