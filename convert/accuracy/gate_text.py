"""Formats an accuracy comparison as text of 80 columns."""

import textwrap

from corallite.convert.accuracy import gate
from corallite.convert.accuracy.comparison import AccuracyComparison
from corallite.convert.accuracy.paired import Step

_LAYERS = 5
# Of the column with the names of a step.
_LEAST_WIDTH = 24


def format_comparison(comparison: AccuracyComparison) -> str:
    """Returns the steps, the worst layers, the largest loss and, on failure, advice.

    A loss that may be chance is named only if it is above the limit.
    """
    overall, result = comparison.overall, comparison.verdict.value
    steps = comparison.list_steps()
    width = max(_LEAST_WIDTH, *(len(_name_step(step)) for step in steps))
    lines = [
        f"Accuracy, {comparison.images} validation images: {overall.drop_points:.2f} "
        "percentage points below",
        f"{overall.from_name}, {comparison.max_drop:g} allowed: {result}",
        "",
        f"  {'':<{width}}{overall.measure:>14}{'change':>9}"
        f"{'95 %':>17}{'same label':>12}",
        *(_format_step(step, width) for step in steps),
    ]
    if comparison.layers:
        lines += [
            "",
            "  noise / signal of layers" + f"{'own':>21}{'in all':>10}{'cosine':>9}",
            *(
                f"  {x.layer[:40]:<40}{x.own_relative_mse:>9.5f}"
                f"{x.relative_mse:>8.5f}{x.cosine:>9.5f}"
                for x in comparison.layers[:_LAYERS]
            ),
        ]
    for text in gate.list_findings(comparison):
        lines += ["", textwrap.fill(text, 80)]
    return "\n".join(lines)


def _name_step(step: Step) -> str:
    # The folder of exports would make lines longer than a terminal.
    names = (x.removeprefix("exports/") for x in (step.from_name, step.to_name))
    return " -> ".join(names)


def _format_step(step: Step, width: int) -> str:
    low, high = (100 * end for end in step.interval)
    top1 = f"{100 * step.top1_from:.2f} {100 * step.top1_to:.2f}"
    return (
        f"  {_name_step(step):<{width}}{top1:>14}{100 * step.difference:>+9.2f}"
        f"{f'{low:+.2f} to {high:+.2f}':>17}{100 * step.agreement:>10.2f} %"
    )
