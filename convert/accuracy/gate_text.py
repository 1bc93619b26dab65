"""Parity in words and figures, in 80 columns."""

import textwrap

from corallite.convert.accuracy.gate import AccuracyLostError, Parity
from corallite.convert.accuracy.paired import Hop

_LAYERS = 5


def format_parity(parity: Parity) -> str:
    """Returns the hops and the worst layers as text for a terminal."""
    verdict = "held" if parity.held else "NOT HELD"
    hops = [*parity.hops, *([parity.overall] if len(parity.hops) > 1 else [])]
    lines = [
        f"Parity, {parity.images} validation images: {parity.overall.drop_points:.2f} "
        f"points below float, {parity.max_drop:g} allowed: {verdict}",
        "",
        f"  {'':<24}{'top-1':>14}{'points':>9}{'95 %':>17}{'same label':>12}",
        *(_hop_line(hop) for hop in hops),
    ]
    if parity.layers:
        lines += [
            "",
            "  noise / signal of layers" + f"{'own':>21}{'in all':>10}{'cosine':>9}",
            *(
                f"  {x.layer[:40]:<40}{x.own_relative_mse:>9.5f}"
                f"{x.relative_mse:>8.5f}{x.cosine:>9.5f}"
                for x in parity.layers[:_LAYERS]
            ),
        ]
    return "\n".join(lines)


def format_loss(error: AccuracyLostError) -> str:
    """Returns what was measured of a file that lost too much, and what to do."""
    return f"{format_parity(error.parity)}\n\n{textwrap.fill(str(error), 80)}"


def _hop_line(hop: Hop) -> str:
    low, high = (100 * end for end in hop.interval)
    name = f"{hop.from_name} -> {hop.to_name}"
    top1 = f"{100 * hop.top1_from:.2f} {100 * hop.top1_to:.2f}"
    return (
        f"  {name:<24}{top1:>14}{100 * hop.difference:>+9.2f}"
        f"{f'{low:+.2f} to {high:+.2f}':>17}{100 * hop.agreement:>10.2f} %"
    )
