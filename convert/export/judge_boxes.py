"""Runs an exported model that finds boxes on held-out images, for its manifest."""

from typing import NamedTuple

import numpy as np

from corallite.convert.evaluate.boxes.find_in_file import Predicted, predict_boxes_by
from corallite.convert.evaluate.manifest import make_manifest
from corallite.device.engine.detect.detector import Detector
from corallite.device.engine.runner import Runner
from corallite.device.model import selftest
from corallite.device.model.manifest import Manifest
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage
from corallite.train.training.detect.average_precision import mean_average_precision
from corallite.train.training.detect.operating_point import choose_point


class BoxJudgement(NamedTuple):
    """What an exported model finds.

    Attributes:
        manifest: Of its file: with its accuracy, threshold and self-test.
        predicted: For each image of `data.judging`.
        record: Keys for the record of the stage.
    """

    manifest: Manifest
    predicted: Predicted
    record: dict[str, object]


def judge_boxes(
    runner: Runner, name: str, stage: Stage, data: ImageData
) -> BoxJudgement:
    """Runs an exported model on the images that judge models.

    The threshold of its manifest is the one with the best F1 on these images.

    Args:
        runner: Runs the model.
        name: Of the target.
        stage: What the model was made from.
        data: The run's images, with boxes.

    Raises:
        RequestError: The model does not run.
    """
    split, first = data.judging, stage.run.first()
    boxes = split.require_boxes()
    plain = make_manifest(stage.run, data, {})
    predicted = predict_boxes_by(name, plain, runner, split)
    labels = len(data.boxes.labels) if data.boxes else 0
    map50 = round(mean_average_precision(predicted.found, boxes, labels), 4)
    point = choose_point(predicted.found, boxes)
    known = {name: map50}
    of_first = first.metrics().get("boxes")
    if of_first:
        known = {first.name: round(float(of_first["map50"]), 4), **known}
    manifest = plain._replace(accuracy=known).with_boxes(threshold=point.threshold)
    recorded = selftest.record(Detector(name, manifest=manifest, runner=runner))
    record: dict[str, object] = {"val_map50": map50, "operating_point": point._asdict()}
    if predicted.probabilities.size:
        right = predicted.probabilities.argmax(axis=1) == split.labels
        record["val_accuracy"] = round(float(np.mean(right)), 4)
    return BoxJudgement(manifest._replace(selftest=recorded), predicted, record)
