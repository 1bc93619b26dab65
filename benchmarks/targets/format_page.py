"""Writes the tables of docs/runtimes.md into the page."""

from collections.abc import Sequence
from pathlib import Path

from measure_targets import Row

from corallite.device.system.errors import RequestError
from corallite.train.runs.run import Run

BEGIN, END = "<!-- tables of `make runtimes` -->", "<!-- end of the tables -->"
_HEAD = (
    "| `--to` | from | bytes | top-1 | label of its source | largest difference | ms |",
    "| :----- | :--- | ----: | ----: | ------------------: | -----------------: | -: |",
)


def format_table(run: Run, rows: Sequence[Row]) -> str:
    """Returns the heading and the table of a run as Markdown."""
    network = run.recall(lambda x: x["network"])
    size = network["size_hw"][0]
    title = f"### {network['model']} {network['width']}x, {size} pixels"
    return "\n".join([title, "", *_HEAD, *map(_format, rows)])


def _format(row: Row) -> str:
    return (
        f"| `{row.name}` | {row.source} | {row.file_bytes:,} | {100 * row.top1:.2f} | "
        f"{100 * row.agreement:.2f} % | {row.largest:.2g} | {row.p50_ms:.3f} |"
    )


def fill_in(page: str, tables: Sequence[str], path: Path) -> str:
    """Returns the page with these tables in place of its own.

    Raises:
        RequestError: The page has no place for them.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise RequestError(f"{path}: has no lines {BEGIN!r} and {END!r}; add them.")
    body = "\n\n".join(tables)
    return f"{before}{BEGIN}\n\n{body}\n\n{END}{after}"
