"""Collects the content of a run's report."""

import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from corallite.convert.accuracy.comparison import AccuracyComparison
from corallite.convert.accuracy.record import read_comparison, read_rejected
from corallite.convert.accuracy.sensitivity_record import Sensitivity, read_sensitivity
from corallite.convert.edgetpu.predict.prediction import Prediction
from corallite.convert.evaluate.machine import describe_machine
from corallite.convert.evaluate.metrics import StageResult
from corallite.convert.evaluate.stages import evaluate_run
from corallite.convert.export import edgetpu
from corallite.convert.report.edgetpu_placement import find_placement
from corallite.convert.report.records import check_metrics, check_run
from corallite.convert.report.thumbnails import (
    DoubtfulPicture,
    Picture,
    show_doubtful,
    show_mistakes,
)
from corallite.convert.tflite.model import Model
from corallite.convert.tflite.reader import read_model
from corallite.device.image.preprocess import Preprocessing
from corallite.device.system import files
from corallite.train.data.load import ImageData
from corallite.train.runs.kinds import StageKind
from corallite.train.runs.record import hash_file, package_versions
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage

_MOST_PICTURES = 24


@dataclasses.dataclass(frozen=True)
class StageRecord:
    """One finished stage.

    Attributes:
        kind: Of the stage.
        metrics: Content of its `metrics.json`.
        files: SHA-256 of its files, by their name in the run.
    """

    kind: StageKind
    metrics: dict[str, Any]
    files: dict[str, str]

    @property
    def name(self) -> str:
        return self.kind.name


@dataclasses.dataclass(frozen=True)
class StageFacts(StageRecord):
    """One finished stage that this machine can run.

    Attributes:
        result: Its measurements.
    """

    result: StageResult


@dataclasses.dataclass(frozen=True)
class Facts:
    """The content of a report; all text in it can be encoded as UTF-8.

    Attributes:
        run_dir: As the user named it.
        network: The run's settings from `run.json`.
        data_name: Name of the images' folder, without its path.
        weights_name: Name of the pretrained weights; None for random weights.
        class_names: In the order of the labels.
        preprocessing: From image to pixels.
        counts: Images of each class by split.
        fingerprint: Hash of the images and their splits.
        unreadable: How many files were skipped.
        split: Which split of the images was evaluated.
        stages: At least the first one, parents first.
        others: Finished stages that this machine cannot run.
        pictures: Images that the last stage predicts wrong, the most confident first.
        doubtful: Training images whose label may be wrong, the most doubtful first.
        accuracy: The accuracy comparison of the last file, or of the one that the gate
            rejected if there is no other.
        sensitivity: What each layer loses alone; None if it was not measured.
        model: Structure of the file that can be compiled; None if there is none.
        edgetpu: Its mapping to the Edge TPU; None if there is no file.
        is_predicted: Whether `edgetpu` is a prediction, as the compiler was not run.
        versions: Versions of the installed packages.
        machine: Description of this machine.
        made: Date of the report.
    """

    run_dir: str
    network: dict[str, Any]
    data_name: str
    weights_name: str | None
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    counts: dict[str, list[int]]
    fingerprint: str
    unreadable: int
    split: str
    stages: Sequence[StageFacts]
    others: Sequence[StageRecord]
    pictures: Sequence[Picture]
    doubtful: Sequence[DoubtfulPicture]
    accuracy: AccuracyComparison | None
    sensitivity: Sensitivity | None
    model: Model | None
    edgetpu: Prediction | None
    is_predicted: bool
    versions: dict[str, str]
    machine: str
    made: datetime.datetime

    @property
    def last(self) -> StageFacts:
        """The last stage that this machine can run; exports do not count."""
        return [x for x in self.stages if not x.kind.is_export][-1]

    @property
    def finished(self) -> list[StageRecord]:
        """All stages, those that this machine cannot run last."""
        return [*self.stages, *self.others]


def gather_facts(
    run: Run, data: ImageData, split: str, made: datetime.datetime
) -> Facts:
    """Reads a run folder; measures the stages without a measurement.

    Raises:
        RequestError: The run has no finished first stage, or a file in it is damaged.
    """
    results = {result.stage: result for result in evaluate_run(run, data, split)}
    made_stages = run.stages()
    records = [(x, _describe_stage(x)) for x in made_stages]
    stages = [
        StageFacts(**vars(record), result=results[x.name])
        for x, record in records
        if x.name in results
    ]
    settings = run.recall(check_run)
    weights = settings.get("weights")
    model, placement, is_predicted = None, None, True
    source = edgetpu.find_parent(run)
    if source in made_stages:
        model = read_model(source.model_path)
        placement, is_predicted = find_placement(made_stages, source, model)
    names = tuple(map(files.printable, data.class_names))
    last = [x for x in stages if not x.kind.is_export][-1]
    mistakes = last.result.evaluation.mistakes[:_MOST_PICTURES]
    return Facts(
        run_dir=files.printable(run.path),
        network=settings["network"],
        data_name=files.printable(Path(settings["data_dir"]).name),
        weights_name=weights and files.printable(Path(weights).name),
        class_names=names,
        preprocessing=data.preprocessing,
        counts=_count_images(data),
        fingerprint=data.fingerprint,
        unreadable=data.unreadable,
        split=split,
        stages=stages,
        others=[record for x, record in records if x.name not in results],
        pictures=show_mistakes(mistakes, data.splits[split], names),
        doubtful=run.first().recall(
            lambda x: show_doubtful(x.get("doubtful", []), data.splits["train"])
        ),
        accuracy=find_comparison(run, made_stages),
        sensitivity=read_sensitivity(run),
        model=model,
        edgetpu=placement,
        is_predicted=is_predicted,
        versions=package_versions(),
        machine=describe_machine(),
        made=made,
    )


def find_comparison(run: Run, stages: list[Stage]) -> AccuracyComparison | None:
    """Returns that of the last file, else that of a file that was rejected."""
    made = [stage for stage in stages if not stage.kind.is_export]
    known = next(filter(None, map(read_comparison, reversed(made))), None)
    return known or read_rejected(run.stage("int8"))


def _describe_stage(stage: Stage) -> StageRecord:
    return StageRecord(
        stage.kind,
        stage.recall(lambda x: check_metrics(stage.kind, x)),
        {
            path.relative_to(stage.run.path).as_posix(): hash_file(path)
            for path in stage.list_files()
        },
    )


def _count_images(data: ImageData) -> dict[str, list[int]]:
    classes = len(data.class_names)
    return {
        name: np.bincount(split.labels, minlength=classes).tolist()
        for name, split in data.splits.items()
    }
