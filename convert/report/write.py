"""Writes the report of a run."""

import datetime
from pathlib import Path

from corallite.convert.report.boxes.page import render_boxes
from corallite.convert.report.facts import gather_facts
from corallite.convert.report.page import render
from corallite.device.system import files
from corallite.train.data.load import ImageData
from corallite.train.runs.run import Run

REPORT_FILE = "report.html"


def write_report(
    run: Run,
    data: ImageData,
    split: str = "test",
    *,
    made: datetime.datetime | None = None,
) -> Path:
    """Writes `report.html` into a run folder; returns its path.

    Stages without a measurement on `split` are measured first.

    Args:
        run: A run with a finished first stage, at least.
        data: Its images.
        split: The split to evaluate on: "train", "val" or "test".
        made: The date on the report; by default now.

    Raises:
        RequestError: The run has no finished first stage, a record is damaged, or
            another process is writing into the run.
    """
    if made is None:
        made = datetime.datetime.now().astimezone()
    path = run.path / REPORT_FILE
    with run.lock("report"):
        if data.boxes is not None:
            files.write_text(path, render_boxes(run, data, split, made))
            return path
        files.write_text(path, render(gather_facts(run, data, split, made)))
    return path
