"""Figures over all seeds, as JSON, tables and pictures."""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bench.subnet.charts import bars, lines
from bench.subnet.collusion import Collusion
from bench.subnet.collusion import table as collusion_table
from bench.subnet.run import Result
from bench.subnet.sampling import Weight
from bench.subnet.sampling import table as sampling_table
from bench.subnet.settings import Setting

ROOT = Path(__file__).resolve().parents[2]
RESULT = ROOT / "bench" / "results" / "subnet.json"
PAGE = ROOT / "docs" / "concepts" / "economics.md"
IMAGES = ROOT / "docs" / "images"
BEGIN, END = "<!-- written by python -m bench.subnet --save -->", "<!-- end -->"
HONEST = ("honest small", "honest large")
BAR = 1.05
"""No strategy may be paid more than this, per unit of honest work and relative to honest miners."""

Figure = dict[str, float]
Month = tuple[Mapping[str, float], Mapping[str, float]]
"""Pay and honest work of a seed by strategy."""


def figure(values: Sequence[float]) -> Figure:
    """Return the mean over seeds and its standard error."""
    error = statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else 0.0
    return {"mean": round(statistics.fmean(values), 4), "error": round(error, 4)}


def summary(setting: Setting, results: Sequence[Result]) -> dict[str, Any]:
    """Return all figures of a setting."""
    return {
        "setting": {**asdict(setting), "neurons": setting.neurons, "seeds": len(results)},
        "strategies": {who: _of_strategy(results, who) for who in setting.miners},
        "validators": {kind: _of_validators(setting, results, kind) for kind in setting.validators},
        "coverage_at_the_end": figure([one.coverage[-1] for one in results]),
        "hours_to_verdict": {
            name: figure([one.hours_to_verdict[place] for one in results])
            for place, name in enumerate(("median", "90 %", "99 %"))
        },
        "validator_cost": figure([one.validator_cost for one in results]),
        "epochs_without_pay": figure([one.epochs_without_pay / one.epochs for one in results]),
        "coverage": [round(statistics.fmean(day), 4) for day in zip(*(one.coverage for one in results), strict=True)],
        "quality": [round(statistics.fmean(day), 4) for day in zip(*(one.quality for one in results), strict=True)],
    }


def compared(setting: Setting, results: Sequence[Result]) -> dict[str, Any]:
    """Return the figures of a setting that stand beside those of another one."""
    found = summary(setting, results)
    pay = {who: one["pay_per_work"] for who, one in found["strategies"].items() if one["work_share"]["mean"]}
    return {"name": setting.name, "load": setting.load, "neurons": setting.neurons, "seeds": len(results), "pay": pay}


def _of_strategy(results: Sequence[Result], who: str) -> dict[str, Any]:
    return {
        "hotkeys": results[0].hotkeys[who],
        "work_share": figure([one.work.get(who, 0.0) / sum(one.work.values()) for one in results]),
        "pay_share": figure([one.pay.get(who, 0.0) for one in results]),
        "pay_per_work": per_work([(one.pay, one.work) for one in results], who),
        "earlier_pay_share": figure([one.pay_earlier.get(who, 0.0) for one in results]),
        "earlier_pay_per_work": per_work([(one.pay_earlier, one.work) for one in results], who),
    }


def _of_validators(setting: Setting, results: Sequence[Result], kind: str) -> dict[str, Any]:
    return {
        "validators": setting.validators[kind],
        "dividends_per_stake": figure([one.dividends.get(kind, 0.0) / one.stake[kind] for one in results]),
        "verdicts_each": figure([float(one.verdicts.get(kind, 0)) for one in results]),
    }


def per_work(months: Sequence[Month], who: str) -> Figure:
    """Return a strategy's pay per honest work, relative to honest miners, and its standard error over seeds.

    Pay and work are summed over the seeds before they are divided. The mean of the seeds' quotients would be too high
    where few verdicts make the honest miners' pay of a seed uncertain. The error is the jackknife's.
    """
    left_out = [_quotient([*months[:place], *months[place + 1 :]], who) for place in range(len(months))]
    count, middle = len(months), statistics.fmean(left_out)
    error = ((count - 1) / count * sum((one - middle) ** 2 for one in left_out)) ** 0.5
    return {"mean": round(_quotient(months, who), 4), "error": round(error, 4)}


def _quotient(months: Sequence[Month], who: str) -> float:
    """Return the pay per work of all months, relative to honest miners; 0 for a strategy that does no work."""
    own = [sum(one[part].get(who, 0.0) for one in months) for part in (0, 1)]
    honest = [sum(one[part].get(name, 0.0) for one in months for name in HONEST) for part in (0, 1)]
    return own[0] / own[1] / (honest[0] / honest[1]) if own[1] and honest[0] and honest[1] else 0.0


def table(found: Mapping[str, Any]) -> str:
    """Return the tables as Markdown."""
    rows = ["| strategy | hotkeys | share of honest work | share of pay | pay per work | by the earlier rules |"]
    rows.append("|---|---|---|---|---|---|")
    for who, one in found["strategies"].items():
        shares = [f"{one[name]['mean']:.1%}" for name in ("work_share", "pay_share")]
        ratios = [_ratio(one, name) for name in ("pay_per_work", "earlier_pay_per_work")]
        rows.append("| " + " | ".join([who, str(one["hotkeys"]), *shares, *ratios]) + " |")
    rows += ["", "| validator | number | dividends per stake | verdicts each |", "|---|---|---|---|"]
    for kind, one in found["validators"].items():
        share = _with_error(one["dividends_per_stake"])
        rows.append(f"| {kind} | {one['validators']} | {share} | {one['verdicts_each']['mean']:.0f} |")
    rows += ["", *_sentences(found)]
    if found.get("others"):
        rows += ["", *_comparison(found)]
    if "collusion" in found:
        rows += ["", collusion_table([Collusion(**one) for one in found["collusion"]])]
    if "sampling" in found:
        rows += ["", sampling_table([Weight(**one) for one in found["sampling"]])]
    return "\n".join(rows)


def _comparison(found: Mapping[str, Any]) -> list[str]:
    """Return the pay per work in all settings, one a column."""
    heads = [
        f"`{one['name']}`: {one['neurons']} neurons, load {one['load']:g}, seeds: {one['seeds']}"
        for one in found["others"]
    ]
    rows = [f"| pay per work | {' | '.join(heads)} |", "|---" * (len(heads) + 1) + "|"]
    for who in found["others"][0]["pay"]:
        cells = [_cell(one, who) for one in found["others"]]
        rows.append(f"| {who} | {' | '.join(cells)} |")
    return rows


def _cell(one: Mapping[str, Any], who: str) -> str:
    """Return a strategy's pay per work, with its error if there are several seeds."""
    pay = one["pay"].get(who)
    if pay is None:
        return ""
    return _with_error(pay) if one["seeds"] > 1 else f"{pay['mean']:.2f}"


def _sentences(found: Mapping[str, Any]) -> list[str]:
    hours = {name: one["mean"] for name, one in found["hours_to_verdict"].items()}
    facts = {name: found[name]["mean"] for name in ("coverage_at_the_end", "validator_cost", "epochs_without_pay")}
    setting = found["setting"]
    days = setting["days"]
    waits = f"median {hours['median']:.1f}, 90 % within {hours['90 %']:.1f}, 99 % within {hours['99 %']:.1f}"
    size = f"{setting['neurons']} neurons, {days} days, {setting['seeds']} seeds, load {setting['load']:g}"
    return [
        f"- Size `{setting['name']}`: {size}.",
        f"- Coverage after {days} days: {facts['coverage_at_the_end']:.1%} of the first crawl's WARCs.",
        f"- Hours from commitment to verdict: {waits}.",
        f"- CPU time of all validators divided by that of all miners: {facts['validator_cost']:.2f}.",
        f"- Epochs in which no miner is paid: {facts['epochs_without_pay']:.1%}.",
    ]


def _ratio(one: Mapping[str, Any], name: str) -> str:
    """Return the pay per work, or for a strategy without work its share of the pay."""
    if one["work_share"]["mean"]:
        return _with_error(one[name])
    return f"no work, {one[name.replace('per_work', 'share')]['mean']:.1%} of the pay"


def _with_error(one: Figure) -> str:
    return f"{one['mean']:.2f} ± {one['error']:.2f}"


def pictures(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the pictures by file name."""
    worked = {who: one for who, one in found["strategies"].items() if one["work_share"]["mean"]}
    pay = {who: [one["pay_per_work"]["mean"], one["earlier_pay_per_work"]["mean"]] for who, one in worked.items()}
    dividends = {kind: [one["dividends_per_stake"]["mean"]] for kind, one in found["validators"].items()}
    days = {"coverage": found["coverage"], "mean score of a judged WARC": found["quality"]}
    title = "Pay per unit of honest work, relative to honest miners"
    return {
        "subnet-pay.svg": bars(title, pay, ["these rules", "earlier rules"], limit=3.0, mark=BAR),
        "subnet-dividends.svg": bars("Dividends per stake, by kind of validator", dividends, ["dividends"], limit=2.0),
        "subnet-days.svg": lines("Coverage and quality over time", days, across="day"),
    }


def save(found: Mapping[str, Any], command: str, machine: Mapping[str, Any]) -> None:
    """Write the JSON, the pictures and the tables of the page."""
    RESULT.write_text(json.dumps({"command": command, "machine": machine, **found}, indent=1) + "\n")
    for name, text in pictures(found).items():
        (IMAGES / name).write_text(text)
    before, _, rest = PAGE.read_text().partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(f"{before}{BEGIN}\n\n{table(found)}\n\n{END}{after}")
