"""Formats the result of a benchmark as a table of 80 columns."""

from typing import Any

_HEAD = (
    f"{'model':<17}{'thr':>3}{'p50':>8}{'p95':>8}{'p99':>8}"
    f"{'ratio':>7} {'(quartiles)':<12}{'MiB':>5}{'start':>6}{'mJ':>5}"
)


def to_table(content: dict[str, Any]) -> str:
    """Formats the content of `--json`; times are in milliseconds."""
    rows = [_to_line(row) for row in content["cases"]]
    notes = [
        f"{row['model']}: latency not steady after {row['warm_runs']} inferences."
        for row in content["cases"]
        if not row["is_warm"]
    ]
    tools = [
        f"{row['model']}, {row['num_threads']} threads: mean {row['tool_mean_ms']:.3f} "
        f"ms, measured by {content['tool']}."
        for row in content["cases"]
        if row.get("tool_mean_ms") is not None
    ]
    return "\n".join(
        [_HEAD, *rows, "", f"Measured by {_describe_setup(content)}.", *notes, *tools]
    )


def _describe_setup(content: dict[str, Any]) -> str:
    meter = content["meter"]
    pinned = ",".join(map(str, content["cpus"])) if content["cpus"] else "any"
    return (
        f"corallite with {content['runtime']}, CPU {pinned}, "
        f"energy by {meter or 'no meter'}"
    )


def _to_line(row: dict[str, Any]) -> str:
    low, middle, high = row["ratio_quartiles"]
    energy, peak = row["energy_mj"], row["peak_mib"]
    return (
        f"{_shorten(row['model'], 16):<17}{row['num_threads']:>3}"
        f"{row['p50_ms']:>8.3f}{row['p95_ms']:>8.3f}{row['p99_ms']:>8.3f}"
        f"{middle:>7.2f} {f'{low:.2f}-{high:.2f}':<12}"
        f"{'-' if peak is None else f'{peak:.1f}':>5}{row['cold_start_ms']:>6.0f}"
        f"{'-' if energy is None else f'{energy:.1f}':>5}"
    )


def _shorten(name: str, width: int) -> str:
    """Keeps the end of a path: files of two runs may have the same name."""
    name = name.removesuffix(".tflite")
    return name if len(name) <= width else f"~{name[1 - width :]}"
