"""What stands in a report, computed: every number in its final form, so that the template only lays out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from finest.recipe.reasons import DUPLICATE, FAILURES, KEPT, STAGES, reason, stage_of
from finest.refine.figures import byte_size, compact, duration, link, share, short, showable, whole
from finest.refine.summary import SliceSummary, Totals, merge

if TYPE_CHECKING:
    from finest.refine.report import ReportData

MAX_LANGUAGES = 12
MAX_SOURCES = 50
MAX_LOSSES = 100
MAX_SPARKS = 60
EXCERPT_CHARS = 400

_UNMEASURED = frozenset({"payload_type", "payload_encoding", "payload_empty", "extraction_error", "extraction_crash"})
"""Reasons that are a yes or no: their statistic says nothing to a person."""

_LANGUAGES = {
    "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan",
    "cs": "Czech", "da": "Danish", "de": "German", "el": "Greek", "en": "English", "eo": "Esperanto", "es": "Spanish",
    "et": "Estonian", "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "gl": "Galician",
    "he": "Hebrew", "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian",
    "is": "Icelandic", "it": "Italian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh", "ko": "Korean",
    "la": "Latin", "lt": "Lithuanian", "lv": "Latvian", "mk": "Macedonian", "ms": "Malay", "nl": "Dutch",
    "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian", "ru": "Russian", "sk": "Slovak",
    "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish", "ta": "Tamil", "te": "Telugu",
    "th": "Thai", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """One key figure."""

    value: str
    name: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of the funnel; widths in per cent of all pages."""

    stage: str
    question: str
    dropped: str
    left: str
    left_share: str
    left_width: float
    dropped_width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a bar table; width in per cent of the longest."""

    name: str
    note: str
    value: str
    share: str
    width: float
    tone: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """The reasons of one stage."""

    stage: str
    question: str
    value: str
    share: str
    bars: list[Bar]


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One source and how fast its slices went."""

    name: str
    size: str
    pages: str
    kept_share: str
    kept_width: float
    speed: str
    cpu: str
    sparks: list[float]
    sparks_say: str


@dataclass(frozen=True, slots=True)
class Sample:
    """One page, as the recipe saw it."""

    id: str
    url: str
    link: str | None
    facts: list[str]
    excerpt: str


@dataclass(frozen=True, slots=True)
class SampleGroup:
    """Samples of one reason."""

    reason: str
    explanation: str
    count: str
    tone: str
    samples: list[Sample]


@dataclass(frozen=True, slots=True)
class View:
    """The whole page."""

    title: str
    lead: str
    unfinished: str
    facts: list[tuple[str, str, bool]]
    figures: list[Figure]
    pages: str
    funnel: list[Step]
    reasons: list[Group]
    languages: list[Bar]
    lengths: list[Bar]
    median: str
    stage_cpu: list[Bar]
    sources: list[SourceLine]
    sources_more: int
    loss_sums: list[tuple[str, str]]
    losses: list[dict[str, str]]
    losses_more: int
    samples: list[SampleGroup]


def view(data: ReportData) -> View:
    """Everything that a report says about a run."""
    total = merge(data.slices)
    reasons = _reasons_after_dedup(total, data.duplicates)
    samples = _samples(data, total, reasons)
    return View(
        title=f"{whole(total.pages)} pages in, {whole(data.rows)} rows out" if total.pages else "No pages yet",
        lead=_lead(data, total),
        unfinished=_unfinished(data),
        facts=_facts(data),
        figures=_figures(data, total, reasons),
        pages=whole(total.pages),
        funnel=_funnel(reasons, total.pages),
        reasons=_groups(reasons, total.pages, {group.reason for group in samples}),
        languages=_languages(total.languages),
        lengths=_lengths(total.text_chars),
        median=_median(total.text_chars),
        stage_cpu=_stage_cpu(total),
        sources=[_source(data, place) for place in range(min(len(data.sources), MAX_SOURCES))],
        sources_more=max(0, len(data.sources) - MAX_SOURCES),
        loss_sums=_loss_sums(total.losses),
        losses=[_loss(data, loss) for loss in total.losses[:MAX_LOSSES]],
        losses_more=max(0, len(total.losses) - MAX_LOSSES),
        samples=samples,
    )


def _reasons_after_dedup(total: Totals, duplicates: int) -> dict[str, int]:
    """Pages by reason once duplicates are out: a slice cannot know which of its kept pages are."""
    reasons = {name: n for name, n in total.reasons.items() if n}
    if duplicates:
        reasons[KEPT] = reasons.get(KEPT, 0) - duplicates
        reasons[DUPLICATE] = reasons.get(DUPLICATE, 0) + duplicates
    return reasons


def _lead(data: ReportData, total: Totals) -> str:
    size = byte_size(total.compressed_bytes)
    files = f"{whole(len(data.sources))} WARC file{'s' * (len(data.sources) != 1)}"
    if not total.pages:
        return f"The recipe {data.recipe_name} found no page in {files} ({size} read)."
    drops = sum(total.reasons.values()) - total.reasons.get(KEPT, 0) + data.duplicates
    return (
        f"The recipe {data.recipe_name} read {size} of {files} and kept {share(data.rows, total.pages)} of the pages. "
        f"It dropped {whole(drops)}, each for a reason that is named below."
    )


def _unfinished(data: ReportData) -> str:
    planned = data.slices_planned
    if planned is None or planned <= len(data.slices):
        return ""
    return f"The run is not finished: {whole(len(data.slices))} of {whole(planned)} slices are in this report."


def _facts(data: ReportData) -> list[tuple[str, str, bool]]:
    """Name, value, and whether it is a hash."""
    names = ", ".join(showable(source.name.rsplit("/", 1)[-1], 80) for source in data.sources[:2])
    more = len(data.sources) - 2
    facts = [
        ("Recipe", data.recipe_name, False),
        ("Engine", data.engine, False),
        ("Finished", data.created, False),
        ("Sources", f"{names} and {whole(more)} more" if more > 0 else names or "none", False),
        ("Recipe hash", data.recipe_hash, True),
        ("Merkle root", data.root or "not yet: the dataset has not been put together", data.root is not None),
    ]
    return facts


def _figures(data: ReportData, total: Totals, reasons: dict[str, int]) -> list[Figure]:
    failures = sum(n for name, n in reasons.items() if name in FAILURES)
    return [
        Figure(share(data.rows, total.pages), "kept", f"{whole(data.rows)} of {whole(total.pages)} pages", "kept"),
        Figure(compact(data.rows), "rows", f"{whole(data.duplicates)} duplicates removed"),
        Figure(compact(data.tokens), "tokens", f"{short(data.tokens / data.rows)} a row" if data.rows else ""),
        Figure(
            whole(len(total.losses)), "records lost", "could not be read", "bad" if total.losses else ""
        ),
        Figure(whole(failures), "failures", f"{share(failures, total.pages)} of the pages", "bad" if failures else ""),
        *_speed(data, total),
        Figure(byte_size(total.peak_rss_bytes), "peak memory", "of the largest worker"),
    ]  # fmt: skip


def _speed(data: ReportData, total: Totals) -> list[Figure]:
    """Speed of the run where its time is known, else of one worker."""
    wall_s = data.wall_s or total.wall_s
    if not wall_s or not total.pages:
        return []
    by = "one worker" if not data.wall_s else f"{data.workers} workers" if data.workers else "all workers"
    by = "1 worker" if data.wall_s and data.workers == 1 else by
    read = f"{byte_size(total.compressed_bytes / wall_s)}/s"
    return [
        Figure(short(total.pages / wall_s), "pages a second", f"{read} compressed, {by}"),
        Figure(f"{short(1000 * total.cpu_s / total.pages)}\u202fms", "CPU a page", f"{duration(total.cpu_s)} in all"),
    ]


def _funnel(reasons: dict[str, int], pages: int) -> list[Step]:
    by_stage = dict.fromkeys(STAGES, 0)
    for name, n in reasons.items():
        by_stage[stage_of(name)] += n
    left, steps = pages, []
    for stage, question in STAGES.items():
        if stage == KEPT:
            continue
        left -= by_stage[stage]
        widths = _percent(left, pages), _percent(by_stage[stage], pages)
        steps.append(Step(stage, question, whole(by_stage[stage]), whole(left), share(left, pages), *widths))
    return steps


def _groups(reasons: dict[str, int], pages: int, with_samples: set[str]) -> list[Group]:
    drops = {name: n for name, n in reasons.items() if name != KEPT and n}
    longest = max(drops.values(), default=0)
    groups = []
    for stage, question in STAGES.items():
        names = sorted((n for n in drops if stage_of(n) == stage), key=lambda name: (-drops[name], name))
        bars = [_reason_bar(name, drops[name], pages, longest, name in with_samples) for name in names]
        dropped = sum(drops[name] for name in names)
        if bars:
            groups.append(Group(stage, question, whole(dropped), share(dropped, pages), bars))
    return groups


def _reason_bar(name: str, n: int, pages: int, longest: int, has_samples: bool) -> Bar:
    tone = "bad" if name in FAILURES else ""
    anchor = f"sample-{name}" if has_samples else ""
    return Bar(name, reason(name).explanation, whole(n), share(n, pages), _percent(n, longest), tone, anchor)


def _languages(counts: dict[str, int]) -> list[Bar]:
    ranked = sorted(((n, code) for code, n in counts.items() if n), key=lambda item: (-item[0], item[1]))
    total, longest = sum(n for n, _ in ranked), ranked[0][0] if ranked else 0
    shown = [(n, _LANGUAGES.get(code, ""), showable(code, 12)) for n, code in ranked[:MAX_LANGUAGES]]
    rest = ranked[MAX_LANGUAGES:]
    if rest:
        shown.append((sum(n for n, _ in rest), f"{whole(len(rest))} more", ""))
    return [
        Bar(name or code, code if name else "", whole(n), share(n, total), _percent(n, longest))
        for n, name, code in shown
    ]


def _lengths(histogram: dict[str, int]) -> list[Bar]:
    bins = {int(bin_): n for bin_, n in histogram.items() if n}
    if not bins:
        return []
    total, longest = sum(bins.values()), max(bins.values())
    return [
        Bar(
            compact(2**b), f"{whole(2**b)} to {whole(2 ** (b + 1) - 1)} characters", whole(bins.get(b, 0)),
            share(bins.get(b, 0), total), _percent(bins.get(b, 0), longest),
        )
        for b in range(min(bins), max(bins) + 1)
    ]  # fmt: skip


def _median(histogram: dict[str, int]) -> str:
    """The middle length, interpolated inside its bin on the logarithmic scale; empty where there is no text."""
    bins = sorted((int(bin_), n) for bin_, n in histogram.items() if n)
    half = sum(n for _, n in bins) / 2
    for b, n in bins:
        if half <= n:
            return compact(round(2 ** (b + half / n), -1 if b >= 7 else 0))
        half -= n
    return ""


def _stage_cpu(total: Totals) -> list[Bar]:
    ranked = sorted(((s, name) for name, s in total.stage_cpu_s.items() if s > 0), key=lambda i: (-i[0], i[1]))
    spent, longest = sum(s for s, _ in ranked), ranked[0][0] if ranked else 0.0
    per_page = 1000 / total.pages if total.pages else 0.0
    return [
        Bar(showable(name, 40), f"{short(s * per_page)}\u202fms a page", duration(s), share(s, spent), _percent(s, longest))
        for s, name in ranked
    ]  # fmt: skip


def _source(data: ReportData, place: int) -> SourceLine:
    slices = sorted((part for part in data.slices if part.source == place), key=lambda part: part.index)
    total = merge(slices)
    rates = [part.pages / part.wall_s for part in slices if part.wall_s > 0]
    source = data.sources[place]
    return SourceLine(
        name=showable(source.name, 300),
        size=byte_size(source.size_bytes),
        pages=whole(total.pages),
        kept_share=share(total.kept, total.pages),
        kept_width=_percent(total.kept, total.pages),
        speed=f"{byte_size(total.compressed_bytes / total.wall_s)}/s" if total.wall_s > 0 else "\u2013",
        cpu=f"{short(1000 * total.cpu_s / total.pages)}\u202fms" if total.pages else "\u2013",
        sparks=_sparks(rates),
        sparks_say=f"{len(rates)} slices, {short(min(rates))} to {short(max(rates))} pages a second" if rates else "",
    )


def _sparks(rates: list[float]) -> list[float]:
    """Heights in per cent of the fastest, at most MAX_SPARKS of them, each the mean of neighbours."""
    count = min(len(rates), MAX_SPARKS)
    cuts = [round(i * len(rates) / count) for i in range(count + 1)] if count else []
    means = [sum(rates[a:b]) / (b - a) for a, b in pairwise(cuts)]
    return [_percent(mean, max(means)) for mean in means]


def _loss_sums(losses: list[dict[str, Any]]) -> list[tuple[str, str]]:
    counts: dict[str, int] = {}
    for loss in losses:
        name = showable(loss.get("reason", "unknown"), 60)
        counts[name] = counts.get(name, 0) + 1
    return [(name, whole(n)) for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _loss(data: ReportData, loss: dict[str, Any]) -> dict[str, str]:
    return {
        "source": showable(data.sources[loss["source"]].name, 300),
        "offset": whole(loss["offset"]) if loss.get("offset") is not None else "\u2013",
        "length": byte_size(loss["length"]) if loss.get("length") else "\u2013",
        "reason": showable(loss.get("reason", "unknown"), 60),
        "detail": showable(loss.get("detail") or "", 300),
    }


def _samples(data: ReportData, total: Totals, reasons: dict[str, int]) -> list[SampleGroup]:
    samples = {name: found for name, found in total.samples.items() if found}
    if data.duplicate_samples:
        samples[DUPLICATE] = list(data.duplicate_samples)
    places = {stage: place for place, stage in enumerate(STAGES)}
    order = sorted(samples, key=lambda name: (name != KEPT, places[stage_of(name)], -reasons.get(name, 0), name))
    return [
        SampleGroup(
            name, reason(name).explanation, whole(reasons.get(name, 0)),
            "kept" if name == KEPT else "bad" if name in FAILURES else "", [_sample(name, s) for s in samples[name]],
        )
        for name in order
    ]  # fmt: skip


def _sample(name: str, page: dict[str, Any]) -> Sample:
    url = str(page.get("url") or "")
    facts = [fact for fact in (_measured(name, page), _language(page), _winner(page)) if fact]
    excerpt = showable(page.get("excerpt") or "", EXCERPT_CHARS).strip()
    return Sample(showable(page.get("id") or "", 100), showable(url, 160), link(url), facts, excerpt)


def _measured(name: str, page: dict[str, Any]) -> str:
    value, limit = page.get("value"), page.get("limit")
    if value is None or limit is None or name in _UNMEASURED or stage_of(name) in ("url", KEPT):
        return ""
    return f"{short(float(value))} beside a limit of {short(float(limit))}"


def _language(page: dict[str, Any]) -> str:
    code = showable(page.get("language") or "", 12)
    return _LANGUAGES.get(code, code)


def _winner(page: dict[str, Any]) -> str:
    winner = page.get("duplicate_of")
    return f"lost against {showable(winner, 100)}" if winner else ""


def _percent(part: float, whole_: float) -> float:
    """0 to 100, two decimals; what is there at all is never narrower than it can be seen."""
    if not whole_ or part <= 0 or not math.isfinite(part):
        return 0.0
    return round(max(0.25, min(100.0, 100 * part / whole_)), 2)
