"""The state of a page while it is judged; each stage reads and sets only the fields that it declares."""

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
    """A page and the results of the stages that have run so far."""

    page: Page
    exact: bool = False
    """Whether checks that pass must also carry their exact value; any stage may read this field."""
    message: Message = _NO_MESSAGE
    """The HTTP response: status, header fields and the body as sent."""
    response: Response = _NO_RESPONSE
    """The body with all codings undone, its type and its charset."""
    html: str = ""
    encoding: str = ""
    """The Encoding Standard's name of the encoding in which the page was decoded."""
    text: str = ""
    """The main text as the last stage left it, before PII is replaced."""
    second: tuple[str, str] | None = None
    """Name and text of the extractor whose text is judged if a filter drops the first one's (`[extraction] second`)."""
    language: str | None = None
    language_score: float | None = None
    words: Words | None = None
    """Counts and tokens of the text that extraction found."""
    token_count: int | None = None
    """GPT-2 tokens of the text."""
    signature: Signature | None = None
    """MinHash signature of the text; None if the text has too few words for a shingle."""
    row_text: str | None = None
    """The text of the row, with PII replaced."""
    columns: dict[str, object] = field(default_factory=dict)
    """Values of the columns that stages add to the row."""

    def with_second(self) -> PageState:
        """Return the state after extraction with the second extractor's text."""
        assert self.second is not None
        engine, text = self.second
        return PageState(
            self.page, self.exact, self.message, self.response, self.html, self.encoding, text,
            columns={"engine": engine},
        )  # fmt: skip
