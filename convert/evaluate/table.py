"""The table of a run: one line per stage, 80 columns."""

import textwrap
from collections.abc import Sequence

from corallite.convert.evaluate.boxes.metrics import BoxResult
from corallite.convert.evaluate.metrics import StageResult
from corallite.convert.evaluate.usefulness import list_warnings

_HEADINGS = ("stage", "top-1", "95 %", "bytes", "gzipped", "sparsity", "p50 ms")


def format_results(
    results: Sequence[StageResult] | Sequence[BoxResult],
    class_names: Sequence[str],
    split: str,
) -> str:
    """Returns the table, and below it what `list_warnings` says of classifiers."""
    of_boxes = [x for x in results if isinstance(x, BoxResult)]
    if of_boxes:
        return format_boxes(of_boxes)
    results = [x for x in results if isinstance(x, StageResult)]
    warnings = list_warnings(results, class_names, split)
    wrapped = [textwrap.fill(f"Warning: {warning}", 80) for warning in warnings]
    return "\n\n".join([format_table(results), *wrapped])


def format_table(results: Sequence[StageResult]) -> str:
    """Returns the results as a Markdown table with aligned columns.

    top-1 and its 95 % interval are in percent; p50 is the median time of one inference
    on this machine with one thread.
    """
    return _format([_HEADINGS, *(_cells(result) for result in results)])


def _format(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [_line(row, widths) for row in rows]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (w - 1) + ":" for w in widths[1:])]
    return "\n".join([lines[0], _line(rule, widths), *lines[1:]])


def format_boxes(results: Sequence[BoxResult]) -> str:
    """Returns the results of a run that finds boxes, as `format_table` does.

    mAP50, its 95 % interval and, if the image's class is predicted too, top-1
    are in percent.
    """
    has_classes = any(x.evaluation.classes for x in results)
    headings = ["stage", "mAP50", "95 %", *(["top-1"] if has_classes else [])]
    rows: list[Sequence[str]] = [(*headings, "bytes", "gzipped", "p50 ms")]
    for result in results:
        found, classes = result.evaluation, result.evaluation.classes
        low, high = found.map50_interval
        latency_ms = found.latency_p50_ms
        rows.append(
            (
                *(result.stage, f"{100 * found.map50:.2f}"),
                f"{100 * low:.1f}-{100 * high:.1f}",
                *([f"{100 * classes.top1:.2f}"] if classes else []),
                *(_count(result.file_bytes), _count(result.gzipped_bytes)),
                "-" if latency_ms is None else f"{latency_ms:.3f}",
            )
        )
    return _format(rows)


def _cells(result: StageResult) -> tuple[str, ...]:
    evaluation = result.evaluation
    low, high = evaluation.top1_interval
    latency_ms = evaluation.latency_p50_ms
    return (
        result.stage,
        f"{100 * evaluation.top1:.2f}",
        f"{100 * low:.1f}-{100 * high:.1f}",
        _count(result.file_bytes),
        _count(result.gzipped_bytes),
        "-" if result.sparsity is None else f"{result.sparsity:.3f}",
        "-" if latency_ms is None else f"{latency_ms:.3f}",
    )


def _count(number: int | None) -> str:
    return "-" if number is None else f"{number:,}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    first, *rest = zip(cells, widths, strict=True)
    padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in rest)]
    return f"| {' | '.join(padded)} |"
