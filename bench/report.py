"""A result as Markdown, put into docs/concepts/performance.md between two markers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

BEGIN, END = "<!-- bench: begin (written by python -m bench) -->", "<!-- bench: end -->"
NAMES = {
    "datatrove": "DataTrove, pages",
    "datatrove-whole": "DataTrove, whole",
    "fineweb-ungated": "finest, recipe `fineweb` without the gate",
    "fineweb": "finest, recipe `fineweb`",
    "finest": "finest, recipe `finest` (experimental)",
    "finest-scored": "finest, recipe `finest-scored` (experimental)",
}
STAGES = ("read", "http", "payload", "url", "gate", "extraction", "language", "repetition", "quality", "c4", "fineweb",
          "finish", "pii", "quality_model", "decontaminate", "tokens", "dedup", "write", "rest")  # fmt: skip


def write_report(result: dict[str, Any], path: Path) -> None:
    """Put the result in place of the former one; a file without markers gets it at its end."""
    text = path.read_text(encoding="utf-8") if path.exists() else "# Performance\n"
    if BEGIN not in text:
        text = f"{text.rstrip()}\n\n{BEGIN}\n{END}\n"
    head, tail = text.split(BEGIN)[0], text.split(END, 1)[1]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{head}{BEGIN}\n{render(result)}\n{END}{tail}", encoding="utf-8")


def render(result: dict[str, Any]) -> str:
    """The result's tables with machine, command and date above them."""
    m = result["machine"]
    machine = f"{m['cpu']}, {m['cores']} cores, {m['memory_gib']} GiB, Python {m['python']}, {m['system']}"
    size = f"{result['pages']:,} pages, {result['compressed_bytes'] / 1e6:.0f} MB"
    rounds = f"Medians of {result['rounds']} rounds; in each, all runs took turns with one worker."
    head = (
        f"Measured on {result['date']} with `{result['command']}`: {machine}. WARCs: "
        f"{', '.join(result['warcs'])} ({size}). {rounds if result['rounds'] else ''}"
    )
    parts = [head, _costs(result), _stages(result), _equality(result), _agreement(result), _workers(result)]
    return "\n\n".join(part for part in parts if part)


def render_ours(result: dict[str, Any]) -> str:
    """The table of stages of our recipes alone, and what the stages of a row cost for each kept page."""
    m, pages, kept = result["machine"], result["pages"], result["kept"]["finest-scored"]
    stages = result["runs"]["finest-scored"]["stage_ms_per_page"]
    rows = ", ".join(
        f"`{name}` {stages.get(name, 0.0) * pages / kept:.3f}" for name in ("quality_model", "decontaminate")
    )
    return (
        f"{m['cpu']}, {m['cores']} cores: {', '.join(result['warcs'])} ({pages:,} pages), medians of "
        f"{result['rounds']} rounds.\n\n{_stages(result)}\n\n`finest-scored` keeps {kept:,} pages before "
        f"deduplication. Milliseconds per kept page: {rows}."
    )


def _costs(result: dict[str, Any]) -> str:
    rows = [
        [
            NAMES[name], f"{r['cpu_s']:.0f}", f"{r['cpu_ms_per_page']:.1f}", f"{r['ratio']:.3f}",
            f"{r['ratio_whole']:.3f}", f"{r['mb_per_s']:.2f}", f"{r['peak_mb']:.0f}", f"{r['kept']:,}",
        ]
        for name, r in result["runs"].items()
    ]  # fmt: skip
    note = (
        'CPU is that of the whole process tree, start-up included. "Pages" is FineWeb\'s pipeline from WARC to kept '
        'pages; "whole" also does what ours does in every row here: MinHash over the run, token counts, PII.'
    )
    head = ["run", "CPU s", "CPU ms/page", "of pages", "of whole", "MB/s", "peak MB", "kept"]
    return f"### Cost\n\n{_table(head, rows)}\n\n{note}" if rows else ""


def _stages(result: dict[str, Any]) -> str:
    runs = result["runs"]
    seen = {stage for r in runs.values() for stage in r["stage_ms_per_page"]}
    stages = [stage for stage in STAGES if stage in seen]
    rows = [[stage, *(_ms(r["stage_ms_per_page"].get(stage)) for r in runs.values())] for stage in stages]
    note = (
        "Milliseconds per page of the WARC. DataTrove reports wall-clock time by step, ours is CPU time; `rest` is the "
        "total less the steps: start-up, loading of lists, and what is not tracked (empty where waiting made "
        "the steps' wall clock longer than the whole CPU time)."
    )
    return f"### By stage\n\n{_table(['stage', *(NAMES[n] for n in runs)], rows)}\n\n{note}" if rows else ""


def _ms(value: float | None) -> str:
    return "" if value is None or value < 0 else f"{value:.2f}"


def _equality(result: dict[str, Any]) -> str:
    rows, listed = [], []
    for name, e in result["equality"].items():
        rows.append([
            NAMES[name], f"{e['pages']:,}", f"{e['kept_reference']:,} / {e['kept_ours']:,}",
            f"{e['lost']} ({e['lost_to_gate']})", e["extra"], e["missing"], e["other_reason"], f"{e['earlier']:,}",
            f"{e['texts_equal']:,} of {e['texts_compared']:,}",
        ])  # fmt: skip
        listed += [
            f"- {NAMES[name]}: {d['differs']} of {d['id']} ({d['reference']} / {d['ours']})" for d in e["differences"]
        ]
    head = ["run", "pages", "kept DataTrove / ours", "lost (to the gate)", "extra", "missing", "other reason",
            "dropped earlier by the gate", "texts equal"]  # fmt: skip
    missing = any(e["missing"] for e in result["equality"].values())
    differences = "\n".join(listed) or ("" if missing else "No page differs.")
    d = result["dedup"]
    removed = f"MinHash removes {d['reference']} rows in DataTrove and {d['ours']} in ours; {d['both']} are the same."
    return f"### Equality\n\n{_table(head, rows)}\n\n{differences}\n\n{removed}"


def _agreement(result: dict[str, Any]) -> str:
    a = result.get("agreement")
    if not a:
        return ""
    kept = (
        f"Recipe `finest` keeps {a['kept_finest']:,} pages and `fineweb` {a['kept_fineweb']:,}; both keep "
        f"{a['kept_both']:,} (Jaccard {a['jaccard']:.3f}). On those the token F1 of the texts is {a['text']['f1']:.3f}."
    )
    rows = [
        [name, where, o["pages"], f"{o['precision']:.3f}", f"{o['recall']:.3f}", f"{o['f1']:.3f}"]
        for where, part in (("its own kept pages", "gold_own"), ("pages that both keep", "gold_common"))
        for name, o in a[part].items()
    ]
    head = ["recipe", "scored on", "pages", "precision", "recall", "F1"]
    against = "Against the main text that people marked, on sites that `finest` was not fitted to:"
    return f"### Recipe `finest`\n\n{kept} {against}\n\n{_table(head, rows)}"


def _workers(result: dict[str, Any]) -> str:
    w = result.get("workers")
    if not w:
        return ""
    return (
        f"### Two workers on one WARC\n\n{w['warc']}: {w['wall_1_s']:.1f} s with one worker and {w['wall_2_s']:.1f} s "
        f"with two, {w['speedup']:.2f} times as fast; {w['speedup_without_start']:.2f} times without the "
        f"{w['start_s']:.1f} s that any run takes to start and to finish."
    )


def _table(head: list[str], rows: list[list[Any]]) -> str:
    lines = [head, ["---"] * len(head), *([str(cell) for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
