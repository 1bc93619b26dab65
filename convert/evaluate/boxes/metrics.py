"""Measures what a model finds in labelled images."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from corallite.convert.evaluate.boxes.find_in_file import Predicted
from corallite.convert.evaluate.metrics import Evaluation, score
from corallite.train.data.boxes.run_boxes import RunBoxes
from corallite.train.data.load import Split
from corallite.train.training.detect.average_precision import Found, average_precision
from corallite.train.training.detect.operating_point import (
    OperatingPoint,
    choose_point,
    match,
)
from corallite.train.training.detect.resample import resample_map50

_MOST_EXAMPLES = 24


@dataclasses.dataclass(frozen=True)
class LabelResult:
    """How well the boxes of a label are found.

    Attributes:
        label: Its name.
        boxes: How many there are.
        average_precision: At an overlap (IoU) of one half; None without boxes.
    """

    label: str
    boxes: int
    average_precision: float | None


@dataclasses.dataclass(frozen=True)
class Example:
    """An image with what was found in it.

    Attributes:
        row: Index of the image in the split.
        found: Number of the label, score, then left, top, right and bottom as fractions
            of the image, from the operating point's threshold on.
        mistakes: Boxes that were missed, and found boxes that are wrong.
    """

    row: int
    found: list[list[float]]
    mistakes: int


@dataclasses.dataclass(frozen=True)
class BoxEvaluation:
    """How well a model finds the boxes of a split.

    Attributes:
        images: Number of images.
        map50: Mean over the labels of the average precision, 0 to 1.
        map50_interval: Its 95 % interval, by the bootstrap.
        labels: Each label alone.
        point: The threshold with the best F1, and what is found from it on.
        examples: At most 24 images, those with the most mistakes first.
        classes: How well the image's class is predicted; None for boxes alone.
        latency_p50_ms: As in `Evaluation`.
        latency_p95_ms: As in `Evaluation`.
    """

    images: int
    map50: float
    map50_interval: tuple[float, float]
    labels: list[LabelResult]
    point: OperatingPoint
    examples: list[Example]
    classes: Evaluation | None = None
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "BoxEvaluation":
        """Creates an object from the dict of `dataclasses.asdict`."""
        fields = dict(content)
        low, high = fields["map50_interval"]
        fields["map50_interval"] = float(low), float(high)
        fields["labels"] = [LabelResult(**x) for x in fields["labels"]]
        fields["point"] = OperatingPoint(*fields["point"])
        fields["examples"] = [Example(**x) for x in fields["examples"]]
        if fields["classes"] is not None:
            fields["classes"] = Evaluation.from_json(fields["classes"])
        return cls(**fields)


@dataclasses.dataclass(frozen=True)
class BoxResult:
    """The measurements of one stage; the fields are those of `StageResult`."""

    stage: str
    evaluation: BoxEvaluation
    sparsity: float | None
    file: str | None = None
    file_bytes: int | None = None
    gzipped_bytes: int | None = None
    macs: int | None = None
    peak_memory_bytes: int | None = None
    machine: str = ""


def score_boxes(
    predicted: Predicted,
    split: Split,
    boxes: RunBoxes,
    latencies_ms: Sequence[float] = (),
) -> BoxEvaluation:
    """Scores what a model predicts for the images of a split.

    Args:
        predicted: For each image.
        split: The images.
        boxes: The boxes of the run.
        latencies_ms: Of each inference; none for a model that no device runs.
    """
    truth, found, count = split.require_boxes(), predicted.found, len(boxes.labels)
    each = average_precision(found, truth, count)
    point = choose_point(found, truth)
    p50_ms = p95_ms = None
    if latencies_ms:
        p50_ms, p95_ms = np.percentile(latencies_ms, (50, 95)).round(4).tolist()
    return BoxEvaluation(
        images=len(split.labels),
        map50=float(np.nanmean(each)) if np.isfinite(each).any() else 0.0,
        map50_interval=resample_map50(found, truth, count),
        labels=[
            LabelResult(
                label,
                int(np.sum(truth[..., 0] == number)),
                float(each[number]) if np.isfinite(each[number]) else None,
            )
            for number, label in enumerate(boxes.labels)
        ],
        point=point,
        examples=_choose_examples(found, truth, point.threshold),
        classes=score(predicted.probabilities, split.labels)
        if boxes.classifies
        else None,
        latency_p50_ms=p50_ms,
        latency_p95_ms=p95_ms,
    )


def _choose_examples(
    found: Sequence[Found], truth: np.ndarray, threshold: float
) -> list[Example]:
    examples = []
    for row, (image, boxes) in enumerate(zip(found, truth, strict=True)):
        is_shown = image.scores >= threshold
        shown = Found(*(part[is_shown] for part in image))
        right = int(match(shown, boxes).sum())
        wrong, missed = len(shown.scores) - right, int((boxes[:, 0] >= 0).sum()) - right
        rows = [
            [int(label), round(float(score), 4), *np.round(corners, 4).tolist()]
            for label, score, corners in zip(*shown, strict=True)
        ]
        examples.append(Example(row, rows, wrong + missed))
    ranked = sorted(examples, key=lambda x: (-x.mistakes, x.row))
    return ranked[:_MOST_EXAMPLES]
