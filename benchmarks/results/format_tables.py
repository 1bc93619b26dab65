"""Formats the tables as Markdown."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from read_rows import Result
from rows import Row

TITLES = {
    1: "ResNet-18",
    2: "Published networks",
    3: "Small networks",
}
_COLUMNS = (
    *("row", "float top-1", "95 %", "int8 top-1", "95 %", "parameters", "MACs"),
    *("bytes", "gzipped", "p50 ms", "latency", "predicted", "U55-128 ms"),
)


class Finished(NamedTuple):
    """A row with its figures; `times` has "p50_ms" and "npu_ms" where measured."""

    row: Row
    result: Result
    times: Mapping[str, float]


def format_table(number: int, rows: Sequence[Row], found: Sequence[Finished]) -> str:
    """Returns a table with a line for each row, and what it was made with.

    Args:
        number: Of the table.
        rows: All rows of it.
        found: Those that are finished.
    """
    by_name = {finished.row.name: finished for finished in found}
    lines = [
        f"### {TITLES[number]}",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        f"| :--- |{' ---: |' * (len(_COLUMNS) - 1)}",
        *(f"| {' | '.join(_list_cells(row, by_name))} |" for row in rows),
        "",
        *([_describe(found)] if found else ["No row is finished."]),
        "",
    ]
    return "\n".join(lines)


def _list_cells(row: Row, found: Mapping[str, Finished]) -> list[str]:
    finished = found.get(row.name)
    if finished is None:
        return [row.title, *[""] * (len(_COLUMNS) - 1)]
    result, times = finished.result, finished.times
    p50_ms, npu_ms = times.get("p50_ms"), times.get("npu_ms")
    return [
        row.title,
        *_format_accuracy(result, "float"),
        *_format_accuracy(result, "int8"),
        f"{result.parameters:,}",
        f"{result.macs:,}",
        f"{result.file_bytes:,}",
        f"{result.gzipped_bytes:,}",
        "" if p50_ms is None else f"{p50_ms:.3f}",
        _format_ratio(_divide(finished, found.get(row.baseline))),
        _format_prediction(finished, found.get(row.unslimmed)),
        "" if npu_ms is None else f"{npu_ms:.3f}",
    ]


def _format_accuracy(result: Result, kind: str) -> tuple[str, str]:
    if kind not in result.accuracies:
        return "", ""
    top1, low, high = (100 * x for x in result.accuracies[kind])
    return f"{top1:.2f}", f"{low:.1f}-{high:.1f}"


def _divide(finished: Finished, other: Finished | None) -> float | None:
    """Returns the latency as a multiple of another row's, in the same run."""
    if other is None or "p50_ms" not in finished.times or "p50_ms" not in other.times:
        return None
    return finished.times["p50_ms"] / other.times["p50_ms"]


def _format_prediction(finished: Finished, other: Finished | None) -> str:
    """Returns the predicted share of the latency over the measured one."""
    measured, predicted = _divide(finished, other), finished.result.predicted
    if measured is None or predicted is None:
        return ""
    return f"{predicted:.2f} ({predicted / measured:.2f} of measured)"


def _format_ratio(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}"


def _describe(found: Sequence[Finished]) -> str:
    """Returns what the rows were made with."""
    baselines = sorted({finished.row.baseline for finished in found})
    seeds = sorted({seed for finished in found for seed in finished.result.seeds})
    hours = "; ".join(
        f"{finished.row.name} {finished.result.hours:.2f}" for finished in found
    )
    machines = sorted({finished.result.machine for finished in found})
    return (
        f"Latency: one thread, of all files in turn; multiples of {_join(baselines)}. "
        f"Bytes of int8, or of float where there is no int8. Seed "
        f"{_join(map(str, seeds))}. Hours: {hours}. Measured on {_join(machines)}."
    )


def _join(words: "Sequence[str] | map[str]") -> str:
    return ", ".join(words)
