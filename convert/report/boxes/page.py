"""Renders the report of a run that finds boxes as one self-contained HTML page."""

import datetime
from types import SimpleNamespace
from typing import Any

from corallite.convert.accuracy import gate
from corallite.convert.evaluate.boxes.metrics import BoxResult, Example
from corallite.convert.evaluate.boxes.stages import evaluate_boxes
from corallite.convert.evaluate.machine import describe_machine
from corallite.convert.report.facts import find_comparison
from corallite.convert.report.page import describe_layers, load_templates
from corallite.convert.report.thumbnails import encode_image
from corallite.device.system.files import printable
from corallite.train.data.load import ImageData, Split
from corallite.train.runs.run import Run


def render_boxes(run: Run, data: ImageData, split: str, made: datetime.datetime) -> str:
    """Returns the page; stages without a measurement are measured first.

    Raises:
        RequestError: The run has no finished first stage, or a record is damaged.
    """
    results = evaluate_boxes(run, data, split)
    stages = run.stages()
    exports = {x.name for x in stages if x.kind.is_export}
    last = [x for x in results if x.stage not in exports][-1]
    accuracy = find_comparison(run, stages)
    facts = SimpleNamespace(
        accuracy=accuracy, model=None, run_dir=printable(run.path), split=split
    )
    template = load_templates().get_template("boxes.html")
    return template.render(
        facts=facts,
        network=run.recall(lambda x: x["network"]),
        counts={name: len(x.labels) for name, x in data.splits.items()},
        results=results,
        last=last,
        steps=accuracy.list_steps() if accuracy else [],
        findings=gate.list_findings(accuracy) if accuracy else [],
        layers=describe_layers(accuracy),
        pictures=_show_examples(last, data, data.splits[split]),
        commands=[stage.command() for stage in stages],
        machine=describe_machine(),
        made=made,
    )


def _show_examples(
    result: BoxResult, data: ImageData, split: Split
) -> list[dict[str, Any]]:
    labels = [printable(x) for x in data.boxes.labels] if data.boxes else []
    return [_show(example, split, labels) for example in result.evaluation.examples]


def _show(example: Example, split: Split, labels: list[str]) -> dict[str, Any]:
    """Returns an image and its boxes in percent of its sides."""
    truth = split.require_boxes()[example.row]
    return {
        "uri": encode_image(split.images_rgb_u8[example.row]),
        "path": printable(split.paths[example.row]),
        "mistakes": example.mistakes,
        "marked": [_place(labels, *x) for x in truth.tolist() if x[0] >= 0],
        "found": [
            {**_place(labels, label, *corners), "score": score}
            for label, score, *corners in example.found
        ],
    }


def _place(
    labels: list[str],
    label: float,
    left: float,
    top: float,
    right: float,
    bottom: float,
) -> dict[str, Any]:
    sides = {"x": left, "y": top, "width": right - left, "height": bottom - top}
    shown = {name: round(100 * value, 2) for name, value in sides.items()}
    return {"label": labels[int(label)], **shown}
