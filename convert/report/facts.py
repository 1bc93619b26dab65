"""Gathers what there is to say of a run."""

import dataclasses
import datetime
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from corallite.convert.edgetpu.predict.prediction import Prediction
from corallite.convert.evaluate.machine import describe_machine
from corallite.convert.evaluate.stages import StageResult, evaluate_run
from corallite.convert.export.int8 import INT8_FILE, read_parity
from corallite.convert.report.compilation_record import (
    find_mapping,
    hash_compiled,
    list_compile_flags,
)
from corallite.convert.report.records import check_metrics, check_run
from corallite.convert.report.thumbnails import Picture, show_mistakes
from corallite.convert.tflite.model import Model
from corallite.convert.tflite.reader import read_model
from corallite.device.image.preprocess import Preprocessing
from corallite.device.system import files
from corallite.train.data.load import ImageData, load_data
from corallite.train.runs.run import Stage, hash_file, package_versions
from corallite.train.training.float_stage import read_run

_MOST_PICTURES = 24


@dataclasses.dataclass(frozen=True)
class StageFacts:
    """One finished stage.

    Attributes:
        result: What it measures.
        metrics: What its `metrics.json` holds.
        model: Its model's file, relative to the run folder.
        sha256: Of that file.
    """

    result: StageResult
    metrics: dict[str, Any]
    model: str
    sha256: str

    @property
    def name(self) -> str:
        return self.result.stage


@dataclasses.dataclass(frozen=True)
class Facts:
    """What a report is made of; all text in it can be encoded as UTF-8.

    Attributes:
        run_dir: As the user named it.
        network: The run's settings, as `run.json` holds them.
        data_name: Name of the images' folder, without what it lies in.
        weights_name: Of the file that training began with; None for random weights.
        class_names: In the order of the labels.
        preprocessing: From image to pixels.
        counts: Images of each class by part.
        fingerprint: Of the images.
        unreadable: How many files were skipped.
        part: Which part of the images was evaluated.
        stages: At least the float one, in the order of the road.
        pictures: Images that the last stage named wrong, the surest first.
        parity: What the gates of `convert` measured; None if there is no such file.
        model: The int8 file's structure; None if there is no such file.
        edgetpu: What the Edge TPU compiler makes of it; None if there is no such file.
        is_predicted: The compiler was not run, `edgetpu` is a prediction.
        compiled: SHA-256 by name of the files that it wrote.
        compile_flags: The flags of `compile` that were not the usual ones.
        versions: Of the packages here.
        machine: This one.
        made: When.
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
    part: str
    stages: Sequence[StageFacts]
    pictures: Sequence[Picture]
    parity: dict[str, Any] | None
    model: Model | None
    edgetpu: Prediction | None
    is_predicted: bool
    compiled: dict[str, str]
    compile_flags: dict[str, Any]
    versions: dict[str, str]
    machine: str
    made: datetime.datetime

    @property
    def last(self) -> StageFacts:
        """The stage that is nearest to the device."""
        return self.stages[-1]


def gather_facts(run_dir: Path, part: str, made: datetime.datetime) -> Facts:
    """Reads a run folder; measures the stages that have not been measured.

    Raises:
        RequestError: The run has no data or no finished float stage, or a file in it
            is damaged.
    """
    data = load_data(run_dir)
    stages = [_describe_stage(run_dir, x) for x in evaluate_run(run_dir, part)]
    run = read_run(run_dir, check_run)
    weights = run.get("weights")
    model, edgetpu, is_predicted = None, None, True
    if stages[-1].name == "int8":
        model = read_model(run_dir / stages[-1].model)
        edgetpu, is_predicted = find_mapping(run_dir, model, stages[-1].sha256)
    names = tuple(map(files.printable, data.class_names))
    mistakes = stages[-1].result.evaluation.mistakes[:_MOST_PICTURES]
    return Facts(
        run_dir=files.printable(run_dir),
        network=run["network"],
        data_name=files.printable(Path(run["data_dir"]).name),
        weights_name=weights and files.printable(Path(weights).name),
        class_names=names,
        preprocessing=data.preprocessing,
        counts=_count_images(data),
        fingerprint=data.fingerprint,
        unreadable=len(files.read_json(run_dir / "split.json")["unreadable"]),
        part=part,
        stages=stages,
        pictures=show_mistakes(mistakes, data.splits[part], names),
        parity=_read_parity(run_dir),
        model=model,
        edgetpu=edgetpu,
        is_predicted=is_predicted,
        compiled={} if is_predicted else hash_compiled(run_dir),
        compile_flags={} if is_predicted else list_compile_flags(run_dir),
        versions=package_versions(),
        machine=describe_machine(),
        made=made,
    )


def _describe_stage(run_dir: Path, result: StageResult) -> StageFacts:
    file = {"int8": INT8_FILE}.get(result.stage, "model.h5")
    stage = Stage(run_dir, result.stage, file)
    return StageFacts(
        result,
        stage.recall(lambda x: check_metrics(stage.name, x)),
        stage.model_path.relative_to(run_dir).as_posix(),
        hash_file(stage.model_path),
    )


def _count_images(data: ImageData) -> dict[str, list[int]]:
    classes = len(data.class_names)
    return {
        name: np.bincount(part.labels, minlength=classes).tolist()
        for name, part in data.splits.items()
    }


def _read_parity(run_dir: Path) -> dict[str, Any] | None:
    parity = read_parity(run_dir)
    return parity.to_json() if parity else None
