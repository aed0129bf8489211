"""Label pages by asking a model, several at a time, until all are done or the endpoint fails."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from finest.errors import FinestError, RunError, UsageError
from finest.models.labelling.endpoint import Answer, Endpoint, Refused
from finest.models.labelling.journal import MAX_ANSWER_CHARS, Journal
from finest.models.labelling.pages import Page, Progress
from finest.models.labelling.scale import Scale

PLACEHOLDER = "{text}"
MAX_CHARS = 8_000
"""Default characters of a page that the model sees, about 2,000 tokens: they fit into a context of 4,096."""
MAX_PROMPT_BYTES = 64 << 10
_REFUSALS = 8
"""Refused pages in a row, without any answer, after which the request itself must be wrong, and not the pages."""


@dataclass(frozen=True, slots=True)
class Question:
    """The prompt and the settings for each page."""

    prompt: str
    """With PLACEHOLDER where the page's text goes."""
    model: str
    max_chars: int = MAX_CHARS
    parallel: int = 4

    def of(self, page: Page) -> str:
        return self.prompt.replace(PLACEHOLDER, page.text[: self.max_chars])


@dataclass(frozen=True, slots=True)
class _Result:
    page: Page
    found: Answer | Refused | FinestError


def check_prompt(prompt: str) -> None:
    """Raise UsageError for a prompt that cannot work."""
    if PLACEHOLDER not in prompt:
        raise UsageError(f"the prompt has no {PLACEHOLDER}: write it where the page's text belongs")
    if len(prompt.encode()) > MAX_PROMPT_BYTES:
        raise UsageError(f"the prompt has more than {MAX_PROMPT_BYTES:,} bytes")


def ask_all(
    pages: Sequence[Page], journal: Journal, scale: Scale, endpoint: Endpoint, question: Question, progress: Progress
) -> None:
    """Ask about every page that the journal does not have yet, and record each answer at once.

    Raises RunError if the endpoint fails or refuses everything; what was recorded stays.
    """
    waiting = [page for page in pages if journal.of(page.sha256) is None]
    refused = 0
    progress("Labelling", 0.0 if waiting else 1.0, _words(journal, len(pages)))
    for done, result in enumerate(_results(waiting, endpoint, question), 1):
        if isinstance(result.found, FinestError):
            raise result.found
        if isinstance(result.found, Refused):
            refused += 1
            journal.add(result.page.sha256, "refused", by="endpoint", answer=str(result.found)[:MAX_ANSWER_CHARS])
            if refused >= _REFUSALS:
                _forget_refusals(journal)
                raise RunError(f"{endpoint.name} refuses every page: {result.found}")
        else:
            refused = -len(pages)  # an answer shows that the request is right
            _record(journal, scale, result.page, result.found)
        progress("Labelling", done / len(waiting), _words(journal, len(pages)))


def _record(journal: Journal, scale: Scale, page: Page, answer: Answer) -> None:
    label = scale.label_in(answer.text)
    if label is None:
        kept = answer.text[:MAX_ANSWER_CHARS]
        journal.add(page.sha256, "unparsable", by="endpoint", model=answer.model, answer=kept)
    else:
        journal.add(page.sha256, "label", by="endpoint", model=answer.model, label=label)


def _forget_refusals(journal: Journal) -> None:
    """Take the refusals back: they were due to the request, and the next run asks again."""
    while (entry := journal.newest()) is not None and entry.what == "refused":
        journal.add(entry.page, "undo", by="endpoint")


def _words(journal: Journal, pages: int) -> str:
    others = ((journal.count("unparsable"), "answers without a label"), (journal.count("refused"), "refused"))
    more = "".join(f", {count:,} {what}" for count, what in others if count)
    return f"{journal.count('label'):,} of {pages:,} pages labelled{more}"


def _results(pages: Sequence[Page], endpoint: Endpoint, question: Question) -> Iterator[_Result]:
    """Yield a result for each page as it comes.

    The threads are daemons: Ctrl-C does not wait for answers that may take minutes.
    """
    todo: queue.SimpleQueue[Page] = queue.SimpleQueue()
    done: queue.SimpleQueue[_Result] = queue.SimpleQueue()
    stop = threading.Event()
    for page in pages:
        todo.put(page)

    def work() -> None:
        while not stop.is_set():
            try:
                page = todo.get_nowait()
            except queue.Empty:
                return
            done.put(_Result(page, _asked(page)))

    def _asked(page: Page) -> Answer | Refused | FinestError:
        try:
            return endpoint.ask(question.of(page), question.model, stop)
        except (Refused, FinestError) as error:
            return error
        except Exception as error:  # noqa: BLE001 - a thread's error belongs to the main one
            return RunError(f"{endpoint.name}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=work, daemon=True) for _ in range(min(question.parallel, len(pages)))]
    for thread in threads:
        thread.start()
    try:
        for _ in pages:
            yield done.get()
    finally:
        stop.set()
