"""Writes the report of a run."""

import datetime
from pathlib import Path

from corallite.convert.report.facts import gather_facts
from corallite.convert.report.page import render
from corallite.device.system import files

REPORT_FILE = "report.html"


def write_report(
    run_dir: Path, part: str = "test", *, made: datetime.datetime | None = None
) -> Path:
    """Writes `report.html` into a run folder; returns its path.

    Stages that have not been measured on `part` are measured first.

    Args:
        run_dir: A run with a finished float stage, at least.
        part: Which part of the images is evaluated: "train", "val" or "test".
        made: The date on the report; by default now.

    Raises:
        RequestError: The run has no data or no finished float stage.
    """
    if made is None:
        made = datetime.datetime.now().astimezone()
    path = run_dir / REPORT_FILE
    files.write_text(path, render(gather_facts(run_dir, part, made)))
    return path
