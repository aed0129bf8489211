"""`judge(page, recipe)`: a pure function from a page to its verdict.

It knows no clock, no order and no network, so a miner, a validator and `finest why` get the same answer. The stages
are FineWeb's, in FineWeb's order, with cheap sure drops before extraction. Each stage yields its checks; the first
that fails names the reason.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from finest.errors import FinestError
from finest.recipe import bounds, c4, decode, fineweb, gate, gopher, language, minhash, pii, tokens, url, words
from finest.recipe.check import Check
from finest.recipe.extract import ExtractionLimit, bounded, extract_blocks, extract_trafilatura
from finest.recipe.payload import (
    Message,
    PayloadTooLarge,
    Response,
    Undecodable,
    is_wanted_status,
    read_message,
    read_response,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np
    from numpy.typing import NDArray

    from finest.recipe.page import Page
    from finest.recipe.recipe import Recipe

KEPT = "kept"
ENGINES = {"trafilatura": extract_trafilatura, "blocks-1": extract_blocks}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a page: kept with its text, or dropped with a named reason."""

    reason: str
    text: str | None = None
    """The row's text (PII replaced) where the page is kept."""
    token_count: int | None = None
    """GPT-2 tokens of the text before PII was replaced, as FineWeb counts them."""
    signature: NDArray[np.uint64] | None = None
    """MinHash signature (buckets, hashes) of a kept page; None where it has too few words for a shingle."""
    language: str | None = None
    language_score: float | None = None
    value: float | None = None
    """The statistic that decided a drop, beside its `limit`."""
    limit: float | None = None
    seen: str = ""
    """The text as the deciding stage saw it; empty before extraction."""
    payload_bytes: int = 0
    """Of the body with all codings undone; 0 where a page was dropped before."""

    @property
    def kept(self) -> bool:
        return self.reason == KEPT


class Toolbox:
    """What the stages of one recipe need loaded: models, lists and memos. One per process and recipe; loaded lazily."""

    def __init__(self, recipe: Recipe, cache: Path) -> None:
        self.recipe = recipe
        self._cache = cache

    @cached_property
    def tokenizer(self) -> words.Tokenizer:
        return words.Tokenizer()

    @cached_property
    def url_lists(self) -> url.UrlLists:
        return url.UrlLists.open(self._cache)

    @cached_property
    def model(self) -> language.LanguageModel:
        rules = self.recipe.language
        model = language.LanguageModel.load(language.model_path(rules.model, self._cache), rules.model_sha256)
        language.require_languages(model, rules)
        return model

    @cached_property
    def signer(self) -> minhash.Signer:
        return minhash.Signer(self.recipe.dedup)

    @cached_property
    def token_counter(self) -> tokens.TokenCounter:
        return tokens.TokenCounter()

    def load(self) -> None:
        """Load everything now, so that forked workers share it."""
        _ = self.tokenizer, self.url_lists, self.model, self.signer, self.token_counter


_toolboxes: dict[tuple[str, Path], Toolbox] = {}
"""Loaded tools by recipe hash and cache folder: a memo, never a state; recipes with one hash share their tools."""
_MAX_TOOLBOXES = 4


def toolbox(recipe: Recipe, cache: Path) -> Toolbox:
    """The process's toolbox for that recipe; `cache` holds the lists that are built once per machine."""
    key = recipe.hash, cache
    if key not in _toolboxes:
        while len(_toolboxes) >= _MAX_TOOLBOXES:
            _toolboxes.pop(next(iter(_toolboxes)))
        _toolboxes[key] = Toolbox(recipe, cache)
    return _toolboxes[key]


_NO_MESSAGE, _NO_RESPONSE = Message(b""), Response(b"", "")


@dataclass(slots=True)
class Trail:
    """A page on its way: what the stages have found so far."""

    page: Page
    message: Message = _NO_MESSAGE
    response: Response = _NO_RESPONSE
    html: str = ""
    encoding: str = ""
    """The encoding that the page was read in, by the Encoding Standard's name."""
    text: str = ""
    language: str | None = None
    language_score: float | None = None
    words: words.Words | None = None
    failed: Check | None = None
    exact: bool = False
    error: str = ""
    """Type and place of the exception that ended a stage."""
    stages: dict[str, list[Check]] = field(default_factory=dict)
    """Checks by stage; filled by `explain` alone."""


def _http(trail: Trail, tools: Toolbox) -> Iterator[Check]:
    rules = tools.recipe.payload
    trail.message = read_message(trail.page, rules)
    status = trail.message.status
    if rules.statuses:
        highest = max(int(wanted.replace("x", "9")) for wanted in rules.statuses)
        yield Check("http_status", status or 0, highest, not is_wanted_status(status, rules))


def _payload(trail: Trail, tools: Toolbox) -> Iterator[Check]:
    rules = tools.recipe.payload
    yield Check("payload_record", 0, 1, trail.page.record_type not in rules.records)
    try:
        trail.response = read_response(trail.page, trail.message, rules)
    except Undecodable:
        yield Check("payload_coding", 0, 1, True)
        return
    except PayloadTooLarge:
        yield Check("payload_too_large", rules.max_bytes + 1, rules.max_bytes, True)
        return
    size = len(trail.response.body)
    yield Check("payload_empty", size, 1, not size)
    yield Check("payload_too_large", size, rules.max_bytes, size > rules.max_bytes)
    yield Check("payload_type", 0, 1, trail.response.type not in rules.types)


def _url(trail: Trail, tools: Toolbox) -> Iterator[Check]:
    if tools.recipe.url.enabled:
        check = url.check_url(trail.page.url, tools.url_lists, tools.recipe.url)
        if check:
            yield check


def _cld2_gate(trail: Trail, tools: Toolbox) -> Iterator[Check]:
    return gate.cld2_gate(trail.page, tools.recipe)


def _encoding(trail: Trail, tools: Toolbox) -> Iterator[Check]:
    html, trail.encoding = decode.decode(trail.response, tools.recipe.decode)
    yield Check("payload_encoding", 0, 1, html is None)
    trail.html = html or ""


def _markup(trail: Trail, tools: Toolbox) -> Iterator[Check]:
    return bounds.check_markup(trail.html, tools.recipe.limits)


def _text_gate(trail: Trail, tools: Toolbox) -> Iterator[Check]:
    return gate.text_gate(trail.page, trail.html, tools.recipe, tools.model)


def _extraction(trail: Trail, tools: Toolbox) -> Iterator[Check]:
    rules = tools.recipe.extraction
    try:
        trail.text = bounded(ENGINES[rules.engine], trail.html, rules.cpu_limit_s) or ""
        trail.text.encode()  # a lone surrogate could be neither hashed nor written
    except ExtractionLimit:
        yield Check("extraction_limit", rules.cpu_limit_s, rules.cpu_limit_s, True)
    except MemoryError:  # says something about this machine, not about the page
        raise
    except Exception as error:  # noqa: BLE001 - a page's border; the verdict names the error
        trail.text, trail.error = "", _told("extraction", error)
        yield Check("extraction_error", 1, 0, True)
    yield Check("extraction_empty", len(trail.text), 1, not trail.text)
    most = tools.recipe.limits.text_chars
    yield Check("extraction_long", len(trail.text), most, len(trail.text) > most)


def _language(trail: Trail, tools: Toolbox) -> Iterator[Check]:
    rules = tools.recipe.language
    trail.language, trail.language_score = tools.model.best(trail.text)
    if rules.enabled:
        yield language.check_language(trail.text, trail.language, trail.language_score, tools.model, rules)


def _repetition(trail: Trail, tools: Toolbox) -> Iterator[Check]:
    trail.words = tools.tokenizer.words(trail.text)
    rules = tools.recipe.gopher_repetition
    return gopher.repetition(trail.text, trail.words, rules, exact=trail.exact) if rules.enabled else iter(())


def _quality(trail: Trail, tools: Toolbox) -> Iterator[Check]:
    rules = tools.recipe.gopher_quality
    if not rules.enabled or trail.words is None:
        return iter(())
    return gopher.quality(trail.text, trail.words, rules, exact=trail.exact)


def _c4(trail: Trail, tools: Toolbox) -> Iterator[Check]:
    rules = tools.recipe.c4
    if not rules.enabled:
        return
    cleaned = c4.clean(trail.text, tools.tokenizer, rules, exact=trail.exact)
    yield from cleaned.checks
    if cleaned.text is not None:
        trail.text = cleaned.text


def _fineweb(trail: Trail, tools: Toolbox) -> Iterator[Check]:
    rules = tools.recipe.fineweb
    if not rules.enabled:
        return iter(())
    return fineweb.fineweb_quality(trail.text, tools.tokenizer, rules, exact=trail.exact)


STAGES: tuple[tuple[str, Callable[[Trail, Toolbox], Iterator[Check]]], ...] = (
    ("http", _http),
    ("payload", _payload),
    ("url", _url),
    ("gate", _cld2_gate),
    ("payload", _encoding),
    ("payload", _markup),
    ("gate", _text_gate),
    ("extraction", _extraction),
    ("language", _language),
    ("repetition", _repetition),
    ("quality", _quality),
    ("c4", _c4),
    ("fineweb", _fineweb),
)
READING = (_http, _payload, _encoding)
"""The stages that read a page; what follows looks at its text."""
_BLIND_AFTER = (
    "payload_record", "payload_coding", "payload_empty", "payload_too_large", "payload_type", "payload_encoding",
    "payload_tags", "payload_attributes", "payload_depth", "payload_nesting", "payload_cells", "extraction_empty",
    "extraction_limit", "extraction_error", "extraction_long", "judge_error",
)  # fmt: skip
"""After these there is nothing for a later stage to look at."""

Clock = dict[str, float]
"""CPU seconds by stage, added up over pages."""


def judge(page: Page, recipe: Recipe, cache: Path, clock: Clock | None = None) -> Verdict:
    """The verdict of one page.

    Pure in (page, recipe); `cache` only says where the lists that are built once per machine lie, and `clock`, if
    given, is told the CPU seconds of each stage.
    """
    tools = toolbox(recipe, cache)
    trail = Trail(page)
    before = time.process_time() if clock is not None else 0.0
    for name, stage in STAGES:
        for check in _guarded(name, stage, trail, tools):
            if check.failed:
                trail.failed = check
                break
        if clock is not None:
            now = time.process_time()
            clock[name] = clock.get(name, 0.0) + now - before
            before = now
        if trail.failed:
            return _dropped(trail)
    try:
        verdict = _kept(trail, tools)
    except _NOT_THE_PAGES:
        raise
    except Exception as error:  # noqa: BLE001 - a page's border; the verdict names the error
        trail.failed = _error("finish", error, trail)
        verdict = _dropped(trail)
    if clock is not None:
        clock["finish"] = clock.get("finish", 0.0) + time.process_time() - before
    return verdict


def explain(page: Page, recipe: Recipe, cache: Path) -> tuple[Verdict, Trail]:
    """The verdict, and a trail with every statistic of every stage that has something to look at."""
    tools = toolbox(recipe, cache)
    trail = Trail(page, exact=True)
    for name, stage in STAGES:
        checks = list(_guarded(name, stage, trail, tools))
        trail.stages.setdefault(name, []).extend(checks)
        failed = next((check for check in checks if check.failed), None)
        trail.failed = trail.failed or failed
        if failed and failed.reason in _BLIND_AFTER:
            break
    return judge(page, recipe, cache), trail


_NOT_THE_PAGES = (FinestError, OSError, MemoryError, ImportError)
"""What a broken installation, a full disk or a machine short of memory raises: it says nothing about the page."""


def _guarded(
    name: str, stage: Callable[[Trail, Toolbox], Iterator[Check]], trail: Trail, tools: Toolbox
) -> Iterator[Check]:
    """The checks of a stage; an exception that the page caused is a check that fails, and costs that page alone."""
    try:
        yield from stage(trail, tools)
    except _NOT_THE_PAGES:
        raise
    except Exception as error:  # noqa: BLE001 - a page's border; the verdict names the error
        yield _error(name, error, trail)


def _error(stage: str, error: Exception, trail: Trail) -> Check:
    trail.error = _told(stage, error)
    return Check("judge_error", 1, 0, True)


def _told(stage: str, error: Exception) -> str:
    """Type, stage and innermost place of an exception; not its message, which may quote the page."""
    last = error.__traceback__
    while last is not None and last.tb_next is not None:
        last = last.tb_next
    place = f" at {Path(last.tb_frame.f_code.co_filename).name}:{last.tb_lineno}" if last is not None else ""
    return f"{type(error).__name__} in stage {stage}{place}"


def _dropped(trail: Trail) -> Verdict:
    check = trail.failed
    assert check is not None
    return Verdict(
        check.reason, language=trail.language, language_score=trail.language_score,
        value=check.value, limit=check.limit, seen=trail.text, payload_bytes=len(trail.response.body),
    )  # fmt: skip


def _kept(trail: Trail, tools: Toolbox) -> Verdict:
    recipe = tools.recipe
    return Verdict(
        KEPT,
        text=pii.redact(trail.text, recipe.pii),
        token_count=tools.token_counter.count(trail.text),
        signature=tools.signer.sign(trail.text, tools.tokenizer) if recipe.dedup.enabled else None,
        language=trail.language,
        language_score=trail.language_score,
        seen=trail.text,
        payload_bytes=len(trail.response.body),
    )
