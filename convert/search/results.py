"""Shows the result of a search: as text, and as a page with its Pareto picture."""

import dataclasses
import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from corallite.convert.report import page
from corallite.convert.report.svg import FIRST, MUTED, SECOND, drawing
from corallite.convert.search.check import Check
from corallite.convert.search.final import Final
from corallite.convert.search.plan import Plan
from corallite.convert.search.study import TrialResult, describe_result
from corallite.device.system import files

PAGE_FILE = "search.html"
_TEMPLATES = Path(__file__).parent / "templates"
_CHART_WH = (330, 260)
# Name and unit of a cost by its name, and what a number is divided by.
_COSTS = {
    "latency_ms": ("latency in ms, predicted", 1.0),
    "macs": ("MACs in millions", 1e6),
    "bytes": ("bytes of the int8 file in thousands", 1e3),
}


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a search has found.

    Attributes:
        trials: Those that were trained.
        finals: The best, the most accurate first.
        check: How good the predictions are.
        others: Numbers of trials that other processes train fully.
    """

    trials: list[TrialResult]
    finals: list[Final]
    check: Check
    others: list[int]


def format_outcome(outcome: Outcome, plan: Plan) -> str:
    """Returns the result as text of at most 80 columns, but for paths."""
    by_number = {x.number: x for x in outcome.trials}
    blocks = ["\n".join(_format_final(x, by_number[x.trial])) for x in outcome.finals]
    blocks += [
        _wrap(
            f"trial {number}: another process trains it fully; run the same command "
            "again for its result."
        )
        for number in outcome.others
    ]
    blocks.append("\n".join(_wrap(x) for x in list_check(outcome.check, plan)))
    return "\n\n".join(blocks)


def list_check(check: Check, plan: Plan) -> list[str]:
    """Returns how good the predictions are, in sentences."""
    lines = [f"{line}." for line in check.list_lines()]
    if not check.is_good():
        lines.append("Warning: the predictions are worse than 10 % for 19 of 20.")
    if plan.budget.max_latency_ms is not None and "latency_ms" not in check.errors:
        folder = plan.run_dir / "check"
        lines.append(
            f"The latencies of {plan.budget.board} were not checked; measure the files "
            f"in {folder} there with corallite benchmark."
        )
    return lines


def _format_final(final: Final, trial: TrialResult) -> list[str]:
    head = f"trial {trial.number}: {describe_result(trial)} (predicted)"
    lines = [_wrap(head)]
    if final.fault:
        return [*lines, _wrap(f"no result: {final.fault}", "  ")]
    low, high = final.interval
    lines.append(
        f"  int8 test accuracy {100 * final.top1:.2f} % ({100 * low:.1f}-"
        f"{100 * high:.1f}), validation {100 * final.validation:.2f} %"
    )
    measured = [f"{final.measured['bytes']:,.0f} bytes"]
    if "latency_ms" in final.measured:
        measured.append(f"{final.measured['latency_ms']:.3f} ms")
    lines.append(f"  measured: {', '.join(measured)}")
    return [*lines, f"  {final.run_dir}/int8/model_int8.tflite"]


def _wrap(text: str, indent: str = "") -> str:
    return textwrap.fill(
        text,
        80,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def write_page(outcome: Outcome, plan: Plan) -> Path:
    """Writes `search.html` into the folder of the search; returns its path."""
    template = page.load_templates(_TEMPLATES).get_template("search.html")
    limits = {x: y for x, y in plan.budget.limits.items() if y is not None}
    kept = {final.trial for final in outcome.finals}
    text = template.render(
        name=plan.run_dir.name,
        outcome=outcome,
        limits=[(_COSTS[x][0], y / _COSTS[x][1]) for x, y in limits.items()],
        charts=[_draw(x, outcome.trials, kept, limits) for x in limits],
        check=list_check(outcome.check, plan),
        rows=sorted(outcome.trials, key=lambda x: (not x.is_whole, -x.accuracy)),
        kept=kept,
        describe=describe_result,
        by_number={x.number: x for x in outcome.trials},
    )
    path = plan.run_dir / PAGE_FILE
    files.write_text(path, text)
    return path


def find_frontier(
    trials: Sequence[TrialResult], cost: str
) -> list[tuple[float, float]]:
    """Returns cost and accuracy of whole trials that none beats in both."""
    frontier: list[tuple[float, float]] = []
    points = [(x.costs[cost], x.accuracy) for x in trials if x.is_whole]
    for price, accuracy in sorted(points, key=lambda x: (x[0], -x[1])):
        if not frontier or accuracy > frontier[-1][1]:
            frontier.append((price, accuracy))
    return frontier


def _draw(
    cost: str,
    trials: Sequence[TrialResult],
    kept: set[int],
    limits: dict[str, float],
) -> str:
    name, unit = _COSTS[cost]
    frontier = [(x / unit, y) for x, y in find_frontier(trials, cost)]
    text = f"Accuracy by {name}. " + "; ".join(f"{x:.3g}: {y:.1%}" for x, y in frontier)
    with drawing(f"search {cost}", _CHART_WH, text) as chart:
        axes = chart.axes
        if frontier:
            axes.step(*zip(*frontier, strict=True), where="post", color=FIRST)
        _scatter(axes, [x for x in trials if not x.is_whole], cost, unit, MUTED, ".")
        whole = [x for x in trials if x.is_whole]
        ours = [x for x in whole if not x.is_hand_made]
        _scatter(axes, ours, cost, unit, FIRST, "o")
        _scatter(axes, [x for x in trials if x.is_hand_made], cost, unit, SECOND, "s")
        for trial in (x for x in trials if x.number in kept):
            axes.plot(
                trial.costs[cost] / unit,
                trial.accuracy,
                "o",
                markersize=12,
                markerfacecolor="none",
                markeredgecolor=FIRST,
            )
        axes.axvline(limits[cost] / unit, color=MUTED, linestyle=(0, (2, 2)))
        axes.set_title("Accuracy of brief trainings")
        axes.set_xlabel(name)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
        axes.margins(0.08)
    return chart.markup


def _scatter(
    axes: Axes,
    trials: Sequence[TrialResult],
    cost: str,
    unit: float,
    colour: str,
    marker: str,
) -> None:
    places = [x.costs[cost] / unit for x in trials]
    heights = [x.accuracy for x in trials]
    axes.plot(places, heights, marker, color=colour, markersize=5, linestyle="")
