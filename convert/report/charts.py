"""The charts of a report."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator, PercentFormatter

from corallite.convert.evaluate.metrics import Evaluation, StageResult
from corallite.convert.report.svg import FIRST, LINE, MUTED, SECOND, Drawing, drawing

# Fits a phone; on wider pages, several stand in a row.
_WIDTH = 330
_PANEL_WH = (_WIDTH, 220)
# Four in a row, an upright phone's width alone.
_SQUARE_WH = (260, 272)
_ROW_HEIGHT = 34
# A margin around the values, so that no mark touches the frame.
_MARGIN = 0.06


def draw_accuracy(results: Sequence[StageResult]) -> str:
    """Draws top-1 of each stage with its 95 % interval."""
    found = [(x.stage, x.evaluation) for x in results]
    text = "Top-1 with 95 % interval. " + "; ".join(
        f"{name} {e.top1:.1%}, {e.top1_interval[0]:.1%} to {e.top1_interval[1]:.1%}"
        for name, e in found
    )
    with _drawing_rows("accuracy", [name for name, _ in found], text) as chart:
        axes = chart.axes
        for row, (_, evaluation) in enumerate(found):
            axes.plot(evaluation.top1_interval, (row, row), color=FIRST, linewidth=2.5)
            axes.plot(evaluation.top1, row, "o", color=FIRST, markersize=7)
        axes.set_title("Top-1, 95 % interval")
        axes.xaxis.set_major_formatter(
            PercentFormatter(1.0, decimals=None, symbol=" %")
        )
    return chart.markup


def draw_sizes(results: Sequence[StageResult]) -> str:
    """Draws the size of each file, plain and compressed."""
    found = [x for x in results if x.file_bytes and x.gzipped_bytes]
    text = "File sizes. " + "; ".join(
        f"{x.stage} {x.file_bytes:,} bytes, {x.gzipped_bytes:,} gzipped" for x in found
    )
    with _drawing_rows("sizes", [x.stage for x in found], text) as chart:
        axes = chart.axes
        rows = range(len(found))
        kilobytes = [(x.file_bytes or 0) / 1000 for x in found]
        gzipped = [(x.gzipped_bytes or 0) / 1000 for x in found]
        axes.barh(rows, kilobytes, height=0.55, color=FIRST, alpha=0.25)
        axes.barh(rows, gzipped, height=0.55, color=FIRST)
        axes.set_title("File size in kB; filled: gzipped")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.set_xlim(left=0)
    return chart.markup


def draw_latencies(results: Sequence[StageResult]) -> str:
    """Draws the time of one inference, from the median to the 95th percentile."""
    found = [
        (x.stage, x.evaluation.latency_p50_ms, x.evaluation.latency_p95_ms)
        for x in results
        if x.evaluation.latency_p50_ms and x.evaluation.latency_p95_ms
    ]
    text = "Latency. " + "; ".join(
        f"{stage} p50 {p50:.3f} ms, p95 {p95:.3f} ms" for stage, p50, p95 in found
    )
    with _drawing_rows("latencies", [stage for stage, *_ in found], text) as chart:
        axes = chart.axes
        for row, (_, p50_ms, p95_ms) in enumerate(found):
            axes.plot((p50_ms, p95_ms), (row, row), color=FIRST, linewidth=2.5)
            axes.plot(p50_ms, row, "o", color=FIRST, markersize=7)
        axes.set_title("Latency in ms, p50 to p95")
        axes.set_xlim(left=0)
    return chart.markup


def draw_curves(stage: str, history: Sequence[dict[str, float]], metric: str) -> str:
    """Draws a metric of training and validation over the epochs.

    Args:
        stage: Its name.
        history: A record an epoch.
        metric: "loss" or "accuracy".
    """
    epochs = range(1, len(history) + 1)
    training = [record[metric] for record in history]
    validation = [record[f"val_{metric}"] for record in history]
    text = (
        f"{stage}: {metric} after {len(history)} epochs, training {training[-1]:.3f}, "
        f"validation {validation[-1]:.3f}"
    )
    with drawing(f"{stage} {metric}", _PANEL_WH, text) as chart:
        axes = chart.axes
        # One epoch makes a point and no line.
        marker = "o" if len(history) < 12 else ""
        style: dict[str, Any] = {"marker": marker, "markersize": 4}
        axes.plot(epochs, training, color=SECOND, linestyle=(0, (4, 2)), **style)
        axes.plot(epochs, validation, color=FIRST, **style)
        axes.set_title(f"{stage}: {metric}")
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        if metric == "accuracy":
            axes.yaxis.set_major_formatter(
                PercentFormatter(1.0, decimals=None, symbol=" %")
            )
        axes.margins(x=_MARGIN, y=0.1)
    return chart.markup


def draw_reliability(stage: str, evaluation: Evaluation) -> str:
    """Draws accuracy against confidence (a reliability diagram)."""
    bins = evaluation.calibration
    text = f"{stage}: expected calibration error {evaluation.calibration_error:.3f}"
    details = "; ".join(
        f"{x.confidence:.0%} sure, {x.accuracy:.0%} right, {x.count} images"
        for x in bins
    )
    with drawing(f"{stage} reliability", _SQUARE_WH, f"{text}. {details}") as chart:
        axes = chart.axes
        axes.plot((0, 1), (0, 1), color=MUTED, linewidth=1, linestyle=(0, (2, 2)))
        confidence = [x.confidence for x in bins]
        accuracy = [x.accuracy for x in bins]
        axes.vlines(confidence, confidence, accuracy, color=SECOND, linewidth=2)
        axes.plot(confidence, accuracy, "-o", color=FIRST, markersize=5)
        axes.set_title(f"{stage}: ECE {evaluation.calibration_error:.3f}")
        _draw_shares(axes, evaluation)
        axes.set(xlim=(0, 1.02), ylim=(0, 1.02), xlabel="confidence", ylabel="right")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=0, symbol=" %"))
            axis.set_major_locator(MaxNLocator(5))
    return chart.markup


def draw_coverage(stage: str, evaluation: Evaluation) -> str:
    """Draws precision against coverage, the share of images that is named."""
    points, chosen = evaluation.coverage, evaluation.refusal
    text = f"{stage}: precision of the most confident predictions. " + "; ".join(
        f"{x.named:.0%} named, {x.precision:.1%} right" for x in points
    )
    with drawing(f"{stage} coverage", _SQUARE_WH, text) as chart:
        axes = chart.axes
        named, precision = (
            [getattr(x, name) for x in points] for name in ("named", "precision")
        )
        axes.plot(named, precision, color=FIRST)
        if chosen is not None:
            axes.plot(chosen.named, chosen.precision, "o", color=SECOND, markersize=7)
        axes.set_title(f"{stage}: precision against coverage")
        axes.set(xlim=(0, 1.02), xlabel="coverage", ylabel="precision")
        axes.margins(y=0.1)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(PercentFormatter(1.0, decimals=None, symbol=" %"))
            axis.set_major_locator(MaxNLocator(5))
    return chart.markup


def _draw_shares(axes: Axes, evaluation: Evaluation) -> None:
    """Draws at the bottom how many predictions each bin holds."""
    most = max(x.count for x in evaluation.calibration)
    for group in evaluation.calibration:
        height = 0.2 * group.count / most
        axes.bar(group.confidence, height, width=0.03, color=LINE, zorder=1)


@contextmanager
def _drawing_rows(name: str, labels: Sequence[str], text: str) -> Iterator[Drawing]:
    """Yields a drawing that has a row for each label."""
    size_wh = (_WIDTH, 70 + _ROW_HEIGHT * len(labels))
    with drawing(name, size_wh, text) as chart:
        axes = chart.axes
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.margins(x=_MARGIN)
        axes.set_yticks(range(len(labels)), labels)
        axes.set_ylim(len(labels) - 0.4, -0.6)
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")
        axes.spines["left"].set_visible(False)
        yield chart
