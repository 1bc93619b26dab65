"""Runs an exported model on held-out images, for its manifest and the gate."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from corallite.convert.evaluate.manifest import make_manifest
from corallite.convert.evaluate.predict_file import predict_by
from corallite.convert.export.refusal import fit_run_refusal
from corallite.device.engine.classifier import Classifier
from corallite.device.engine.runner import Runner
from corallite.device.learn.fit_refusal import RefusalSettings
from corallite.device.learn.head import CrossValidation
from corallite.device.model import selftest
from corallite.device.model.manifest import Manifest
from corallite.train.data.load import ImageData
from corallite.train.runs.accuracy import find_accuracy
from corallite.train.runs.stage import Stage

# The options of a target whose model is judged: see `RefusalSettings`.
REFUSAL_OPTIONS = RefusalSettings()._asdict()


class Judgement(NamedTuple):
    """What an exported model predicts.

    Attributes:
        manifest: Of its file: with its accuracy, refusal and self-test.
        labels: Its predictions for `data.judging`, int `[n]`.
        record: Keys for the record of the stage.
    """

    manifest: Manifest
    labels: np.ndarray
    record: dict[str, Any]


def judge(
    runner: Runner,
    name: str,
    stage: Stage,
    data: ImageData,
    settings: Mapping[str, Any],
    validation: CrossValidation | None = None,
) -> Judgement:
    """Runs an exported model on the images that judge models.

    Args:
        runner: Runs the model.
        name: Of the target.
        stage: What the model was made from.
        data: The run's images.
        settings: Those of `REFUSAL_OPTIONS`.
        validation: See `fit_run_refusal`.

    Raises:
        RequestError: There is no such background class, or the model does not run.
    """
    plain = make_manifest(stage.run, data, {})
    classifier = Classifier(name, manifest=plain, runner=runner)
    probabilities = predict_by(classifier, data.judging)
    judged = judge_predictions(probabilities, name, stage, data, settings, validation)
    manifest = judged.manifest
    recorded = selftest.record(Classifier(name, manifest=manifest, runner=runner))
    return judged._replace(manifest=manifest._replace(selftest=recorded))


def judge_predictions(
    probabilities: np.ndarray,
    name: str,
    stage: Stage,
    data: ImageData,
    settings: Mapping[str, Any],
    validation: CrossValidation | None = None,
) -> Judgement:
    """Does the same for what a model has predicted elsewhere, without a self-test.

    Args:
        probabilities: float32 `[n, classes]`, for the images that judge models.
        name, stage, data, settings, validation: See `judge`.

    Raises:
        RequestError: There is no such background class.
    """
    split, first = data.judging, stage.run.first()
    labels = probabilities.argmax(1)
    accuracy = round(float(np.mean(labels == split.labels)), 4)
    chosen = RefusalSettings(*(settings[option] for option in REFUSAL_OPTIONS))
    refusal = fit_run_refusal(data, probabilities, validation, chosen)
    known = {first.name: round(find_accuracy(first), 4), name: accuracy}
    plain = make_manifest(stage.run, data, {})
    manifest = plain._replace(accuracy=known).with_classes(refusal=refusal)
    record = {"val_accuracy": accuracy, "refusal": refusal and refusal.to_json()}
    return Judgement(manifest, labels, record)
