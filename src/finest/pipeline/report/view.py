"""Compute the contents of a report: every number is already formatted, so the template only does the layout."""

from __future__ import annotations

import math
import shlex
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from finest.formatting import byte_size, compact, counted, duration, share, short, showable, whole
from finest.pipeline.report.samples import LANGUAGES, SampleGroup, sample_groups
from finest.pipeline.report.score_view import ScoreView, score_view
from finest.recipe.reasons import DUPLICATE, FAILURES, KEPT, NOT_SELECTED, UNASKED, Reason, Reasons, reasons_of

if TYPE_CHECKING:
    from finest.pipeline.report.data import ReportData, ReportSource
    from finest.pipeline.summary import Totals

MAX_LANGUAGES = 12
MAX_SPARKS = 60


@dataclass(frozen=True, slots=True)
class Figure:
    """One key figure."""

    value: str
    name: str
    note: str = ""
    tone: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One stage of the funnel; widths are per cent of all pages."""

    stage: str
    question: str
    dropped: str
    left: str
    left_share: str
    left_width: float
    dropped_width: float


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a bar table; the width is per cent of the longest bar."""

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
    """One source and the speed of its slices."""

    name: str
    folder: str
    size: str
    pages: str
    kept_share: str
    kept_width: float
    speed: str
    cpu: str
    sparks: list[float]
    sparks_say: str


@dataclass(frozen=True, slots=True)
class View:
    """The contents of the whole page."""

    title: str
    lead: str
    unfinished: str
    facts: list[tuple[str, str, bool]]
    figures: list[Figure]
    pages: str
    pages_width: float
    funnel: list[Step]
    reasons: list[Group]
    languages: list[Bar]
    lengths: list[Bar]
    median: str
    stage_cpu: list[Bar]
    fallbacks: str
    sources: list[SourceLine]
    sources_more: int
    loss_sums: list[tuple[str, str]]
    losses: list[dict[str, str]]
    losses_more: int
    samples: list[SampleGroup]
    scores: list[ScoreView]
    where: str
    """The expression of the selection; empty for all rows."""
    why: str
    """The command that explains a page, up to the page's id."""


def view(data: ReportData) -> View:
    """Compute everything that a report shows about a run."""
    total = data.totals
    reasons = _reasons(data, total)
    known = reasons_of(data.recipe)
    samples = sample_groups(total.samples, list(data.duplicate_samples), reasons, known)
    return View(
        title=f"{counted(total.pages, 'page')} in, {counted(data.rows, 'row')} out",
        lead=_lead(data, total),
        unfinished=_unfinished(data),
        facts=_facts(data),
        figures=_figures(data, total, reasons),
        pages=whole(total.pages),
        pages_width=_percent(total.pages, total.pages),
        funnel=_funnel(reasons, total.pages, known),
        reasons=_groups(reasons, total.pages, {group.reason for group in samples}, known),
        languages=_languages(total.languages),
        lengths=_lengths(total.text_chars),
        median=_median(total.text_chars),
        stage_cpu=_stage_cpu(total, known),
        fallbacks=_fallbacks(total),
        sources=[_source(source) for source in data.sources],
        sources_more=max(0, data.sources_count - len(data.sources)),
        loss_sums=_loss_sums(total.loss_counts),
        losses=[_loss(loss) for loss in total.losses],
        losses_more=max(0, sum(total.loss_counts.values()) - len(total.losses)),
        samples=samples,
        scores=[score_view(scores) for scores in data.scores],
        where=showable(data.where, 500),
        why=f"finest why --in {shlex.quote(showable(data.folder, 300))}",
    )


def _reasons(data: ReportData, total: Totals) -> dict[str, int]:
    """Count pages by reason: a slice cannot know which of its pages are duplicates or are not selected."""
    if data.reasons:
        return {name: n for name, n in data.reasons.items() if n}
    reasons = {name: n for name, n in total.reasons.items() if n}
    for name, count in ((DUPLICATE, data.duplicates), (NOT_SELECTED, data.not_selected)):
        if count:
            reasons[KEPT] = reasons.get(KEPT, 0) - count
            reasons[name] = reasons.get(name, 0) + count
    return reasons


def _lead(data: ReportData, total: Totals) -> str:
    size = byte_size(total.compressed_bytes)
    files = _files(data)
    if not total.pages:
        return f"The recipe {data.recipe_name} found no page in {files} ({size} read)."
    drops = total.pages - data.rows
    read = (
        f"The recipe {data.recipe_name} read {size} of {files} and kept {share(data.rows, total.pages)} of the pages."
    )
    return f"{read} It dropped {whole(drops)}, each for a reason that is named below." if drops else read


def _files(data: ReportData) -> str:
    return counted(data.sources_count, "WARC file")


def _unfinished(data: ReportData) -> str:
    planned = data.slices_planned
    if planned is None or planned <= data.totals.slices:
        return ""
    return f"The run is not finished: {whole(data.totals.slices)} of {counted(planned, 'slice')} are in this report."


def _facts(data: ReportData) -> list[tuple[str, str, bool]]:
    """Return the facts as (name, value, whether the value is a hash)."""
    size = byte_size(data.sources_bytes)
    return [
        ("Recipe", data.recipe_name, False),
        ("Engine", data.engine, False),
        ("As of", data.created, False),
        ("Sources", f"{_files(data)}, {size}", False),
        ("Recipe hash", data.recipe_hash, True),
        ("Merkle root", data.root or "not yet: the dataset has not been put together", data.root is not None),
    ]


def _figures(data: ReportData, total: Totals, reasons: dict[str, int]) -> list[Figure]:
    lost, failures = sum(total.loss_counts.values()), sum(n for name, n in reasons.items() if name in FAILURES)
    a_row = f"{short(data.tokens / data.rows)} a row" if data.rows else "by the GPT-2 tokenizer"
    of_pages = f"{share(failures, total.pages)} of the pages" if total.pages else "of the refinery"
    kept = f"{whole(data.rows)} of {counted(total.pages, 'page')}"
    return [
        Figure(share(data.rows, total.pages), "kept", kept, "kept"),
        Figure(compact(data.rows), "rows", f"{counted(data.duplicates, 'duplicate')} removed"),
        Figure(compact(data.tokens), "tokens", a_row),
        Figure(whole(lost), "records lost", "could not be read", "bad" if lost else ""),
        Figure(whole(failures), "failures", of_pages, "bad" if failures else ""),
        *_speed(data, total),
        Figure(byte_size(total.peak_rss_bytes), "peak memory", "of the largest worker"),
    ]


def _speed(data: ReportData, total: Totals) -> list[Figure]:
    """Return the speed of the run if its time is known, else of one worker."""
    wall_s = data.wall_s or total.wall_s
    if not wall_s or not total.pages:
        return [Figure("\u2013", "pages a second", "nothing to measure"), Figure("\u2013", "CPU a page")]
    by = counted(data.workers or 0, "worker") if data.workers and data.wall_s else "one worker"
    read = f"{byte_size(total.compressed_bytes / wall_s)}/s"
    return [
        Figure(short(total.pages / wall_s), "pages a second", f"{read} compressed, {by}"),
        Figure(f"{short(1000 * total.cpu_s / total.pages)}\u202fms", "CPU a page", f"{duration(total.cpu_s)} in all"),
    ]


def _funnel(reasons: dict[str, int], pages: int, known: Reasons) -> list[Step]:
    by_stage = dict.fromkeys(known.stages, 0)
    for name, n in reasons.items():
        by_stage[known.stage_of(name)] += n
    left, steps = pages, []
    for stage, question in known.stages.items():
        if stage == KEPT or (stage in UNASKED and not by_stage[stage]):
            continue
        left -= by_stage[stage]
        widths = _percent(left, pages), _percent(by_stage[stage], pages)
        steps.append(
            Step(known.titles[stage], question, whole(by_stage[stage]), whole(left), share(left, pages), *widths)
        )
    return steps


def _groups(reasons: dict[str, int], pages: int, with_samples: set[str], known: Reasons) -> list[Group]:
    drops = {name: n for name, n in reasons.items() if name != KEPT and n}
    longest = max(drops.values(), default=0)
    groups = []
    for stage, question in known.stages.items():
        names = sorted((n for n in drops if known.stage_of(n) == stage), key=lambda name: (-drops[name], name))
        bars = [_reason_bar(known.reason(name), drops[name], pages, longest, name in with_samples) for name in names]
        dropped = sum(drops[name] for name in names)
        if bars:
            groups.append(Group(known.titles[stage], question, whole(dropped), share(dropped, pages), bars))
    return groups


def _reason_bar(reason: Reason, n: int, pages: int, longest: int, has_samples: bool) -> Bar:
    name = reason.name
    tone = "bad" if name in FAILURES else ""
    anchor = f"sample-{name}" if has_samples else ""
    return Bar(name, reason.explanation, whole(n), share(n, pages), _percent(n, longest), tone, anchor)


def _languages(counts: dict[str, int]) -> list[Bar]:
    ranked = sorted(((n, code) for code, n in counts.items() if n), key=lambda item: (-item[0], item[1]))
    total, longest = sum(n for n, _ in ranked), ranked[0][0] if ranked else 0
    shown = [(n, LANGUAGES.get(code, ""), showable(code, 12)) for n, code in ranked[:MAX_LANGUAGES]]
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
    bars = []
    for b in range(min(bins), max(bins) + 1):
        n, name = bins.get(b, 0), f"{2 ** (b - 10)}\u202fk" if b >= 10 else str(2**b)
        span = f"{whole(2**b)} to {whole(2 ** (b + 1) - 1)} characters"
        bars.append(Bar(name, span, whole(n), share(n, total), _percent(n, longest)))
    return bars


def _median(histogram: dict[str, int]) -> str:
    """Format the median length, interpolated within its bin on the logarithmic scale; empty if there is no text."""
    bins = sorted((int(bin_), n) for bin_, n in histogram.items() if n)
    half = sum(n for _, n in bins) / 2
    for b, n in bins:
        if half <= n:
            return compact(round(2 ** (b + half / n), -1 if b >= 7 else 0))
        half -= n
    return ""


def _stage_cpu(total: Totals, known: Reasons) -> list[Bar]:
    ranked = sorted(((s, name) for name, s in total.stage_cpu_s.items() if s > 0), key=lambda i: (-i[0], i[1]))
    spent, longest = sum(s for s, _ in ranked), ranked[0][0] if ranked else 0.0
    per_page = 1000 / total.pages if total.pages else 0.0
    bars = []
    for s, name in ranked:
        title = known.titles.get(name) or showable(name, 40).capitalize()
        bars.append(Bar(title, f"{short(s * per_page)}\u202fms", duration(s), share(s, spent), _percent(s, longest)))
    return bars


def _fallbacks(total: Totals) -> str:
    """Describe in a sentence the pages that the compiled core did not handle; empty if there are none."""
    ranked = sorted(total.fallbacks.items(), key=lambda item: (-item[1], item[0]))
    count = sum(n for _, n in ranked)
    reasons = ", ".join(f"{showable(name, 40).replace('_', ' ')} {whole(n)}" for name, n in ranked)
    told = f"{counted(count, 'page')} ({share(count, total.pages)}) went the slower way to the same text: {reasons}."
    return told if count else ""


def _source(source: ReportSource) -> SourceLine:
    total, rates = source.totals, list(source.rates)
    return SourceLine(
        name=_parted(source.name)[1],
        folder=_parted(source.name)[0],
        size=byte_size(source.size_bytes),
        pages=whole(total.pages),
        kept_share=share(total.kept, total.pages),
        kept_width=_percent(total.kept, total.pages),
        speed=f"{byte_size(total.compressed_bytes / total.wall_s)}/s" if total.wall_s > 0 else "\u2013",
        cpu=f"{short(1000 * total.cpu_s / total.pages)}\u202fms" if total.pages else "\u2013",
        sparks=_sparks(rates),
        sparks_say=_say(rates),
    )


def _parted(name: str) -> tuple[str, str]:
    """Split a source's name into folder and file."""
    folder, slash, file = name.rpartition("/")
    return showable(folder + slash, 300), showable(file, 200)


def _say(rates: list[float]) -> str:
    if not rates:
        return ""
    return f"{counted(len(rates), 'slice')}, {short(min(rates))} to {short(max(rates))} pages a second"


def _sparks(rates: list[float]) -> list[float]:
    """Return at most MAX_SPARKS bar heights, each the mean of adjacent slices in per cent of the largest mean."""
    count = min(len(rates), MAX_SPARKS)
    cuts = [round(i * len(rates) / count) for i in range(count + 1)] if count else []
    means = [sum(rates[a:b]) / (b - a) for a, b in pairwise(cuts)]
    return [_percent(mean, max(means)) for mean in means]


def _loss_sums(counts: dict[str, int]) -> list[tuple[str, str]]:
    return [(showable(name, 60), whole(n)) for name, n in sorted(counts.items(), key=lambda item: (-item[1], item[0]))]


def _loss(loss: dict[str, Any]) -> dict[str, str]:
    return {
        "source": _parted(str(loss["source"]))[1],
        "folder": _parted(str(loss["source"]))[0],
        "offset": whole(loss["offset"]) if loss.get("offset") is not None else "\u2013",
        "length": byte_size(loss["length"]) if loss.get("length") else "\u2013",
        "reason": showable(loss.get("reason", "unknown"), 60),
        "detail": showable(loss.get("detail") or "", 300),
    }


def _percent(part: float, whole_: float) -> float:
    """Return 0 to 100 with two decimals; any positive share is at least 0.25, so that its bar stays visible."""
    if not whole_ or part <= 0 or not math.isfinite(part):
        return 0.0
    return round(max(0.25, min(100.0, 100 * part / whole_)), 2)
