"""Evaluates every stage of a run on the same images, each once."""

import dataclasses
import gzip
import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from absl import logging

from corallite.convert.audit.cost import count_macs
from corallite.convert.evaluate.machine import describe_machine
from corallite.convert.evaluate.metrics import Evaluation, StageResult, evaluate_file
from corallite.convert.evaluate.peak_memory import measure_peak_memory
from corallite.convert.tflite.queries import kernel_sparsity
from corallite.convert.tflite.reader import read_model
from corallite.device.engine import runtime
from corallite.device.engine.file_kind import find_kind
from corallite.device.engine.open_other import open_other
from corallite.device.model.description.describe import Overrides, describe
from corallite.device.model.manifest import PROBABILITIES, Manifest, read_manifest
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData
from corallite.train.runs.record import package_versions
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage

# Version of the records; a stage with another version is measured again.
_FORMAT = 3
# A dataclass.
_Result = TypeVar("_Result", bound=Any)


def evaluate_run(run: Run, data: ImageData, split: str = "test") -> list[StageResult]:
    """Evaluates each finished stage on a split; earlier results are reused.

    Raises:
        RequestError: The run has no finished first stage, or a stage has to be measured
            while another process is writing into the run.
    """
    require_current(run)
    return [_recall(stage, data, split) for stage in runnable_stages(run)]


def require_current(run: Run) -> None:
    """Requires a finished first stage; warns of outdated stages."""
    run.first().require()
    for stage in run.outdated_stages():
        logging.warning(
            "%s is left out: the model that it was made from has changed since; run "
            "`%s`.",
            stage.path,
            stage.command(),
        )


def runnable_stages(run: Run) -> list[Stage]:
    """Returns the finished stages whose model can be run on this machine."""
    return [x for x in run.stages() if x.runner() and _is_installed(x)]


def _is_installed(stage: Stage) -> bool:
    kind = find_kind(stage.model_path)
    if kind is None or importlib.util.find_spec(kind.package) is not None:
        return True
    logging.warning(
        "%s is left out: it needs %s; run: pip install %s.",
        stage.path,
        kind.package,
        kind.package,
    )
    return False


def evaluate_one_file(
    path: Path,
    run: Run,
    data: ImageData,
    split: str,
    *,
    as_run: bool = False,
    overrides: Overrides | None = None,
) -> StageResult:
    """Evaluates any `.tflite` file on a split of a run's images.

    Raises:
        RequestError: The file cannot be run, or see `manifest_of`.
    """
    manifest = manifest_of(path, run, data, as_run, overrides)
    evaluation = evaluate_file(path, data.splits[split], manifest)
    return StageResult("file", evaluation, **describe_file(path, str(path)))


def manifest_of(
    path: Path,
    run: Run,
    data: ImageData,
    as_run: bool = False,
    overrides: Overrides | None = None,
) -> Manifest:
    """Returns the manifest with which a file is run on a run's images.

    Args:
        path: The file.
        run: The run.
        data: Its images.
        as_run: Accept a file whose manifest is missing or damaged: it has the run's
            classes, in their order.
        overrides: Facts that the user gives in place of those of the file.

    Raises:
        RequestError: It cannot be served, has several labels for an image, other
            classes or another image size than the run, or no labels and `as_run` is
            off.
    """
    overrides, kind = overrides or Overrides(), find_kind(path)
    if kind is not None:
        defaults = Overrides(fit=data.preprocessing.fit)
        if as_run:
            defaults = defaults._replace(labels=data.class_names, output=PROBABILITIES)
        opened = open_other(path, kind, overrides, defaults=defaults)
        return _check(path, opened.manifest, run, data)
    content = runtime.read_model(path)
    if not _has_manifest(path, content):
        # Only our manifest says how images were fitted.
        overrides = overrides._replace(fit=data.preprocessing.fit)
        if as_run:
            overrides = overrides._replace(labels=data.class_names)
    manifest = describe(path, content, overrides).manifest
    if not manifest.labels:
        raise RequestError(
            f"{path} carries no manifest; give --as_run if it has the classes of "
            f"{run.path} in their order."
        )
    return _check(path, manifest, run, data)


def _check(path: Path, manifest: Manifest, run: Run, data: ImageData) -> Manifest:
    """Returns a manifest that fits a run's images; raises `RequestError` if not."""
    if manifest.classes.is_multilabel:
        raise RequestError(
            f"{path} gives several labels for an image (multi-label), but an image of "
            f"{run.path} has one; give --output=probabilities to compare the highest."
        )
    if manifest.labels != data.class_names:
        raise RequestError(
            f"{path} has the classes {', '.join(manifest.labels)}, but {run.path} "
            f"has {', '.join(data.class_names)}; give a run with the same classes "
            "in the same order."
        )
    if manifest.preprocessing != data.preprocessing:
        raise RequestError(
            f"{path} expects {manifest.preprocessing}, but the images of {run.path} "
            f"have {data.preprocessing}; give a run with the same."
        )
    return manifest


def _has_manifest(path: Path, content: bytes) -> bool:
    """Tells whether a file has a manifest of ours that can be read."""
    try:
        return read_manifest(path, content) is not None
    except RequestError:
        return False


def _recall(stage: Stage, data: ImageData, split: str) -> StageResult:
    return recall_result(stage, data, split, {"format": _FORMAT}, _to_result, _measure)


def recall_result(
    stage: Stage,
    data: ImageData,
    split: str,
    version: dict[str, int],
    parse: Callable[[dict[str, Any]], _Result],
    measure: Callable[[Stage, ImageData, str], _Result],
) -> _Result:
    """Returns the earlier result of exactly this model, else measures it.

    Args:
        stage: Of the model.
        data: The run's images.
        split: Name of the split.
        version: What changes when results are measured otherwise.
        parse: Reads the fields of a result.
        measure: Returns a dataclass.
    """
    path = stage.path / f"evaluation_{split}.json"
    inputs = {
        **version,
        "model": stage.sha256(),
        "data": data.fingerprint,
        "versions": package_versions(),
    }
    if path.exists():
        # An older record lacks fields.
        known = files.read_record(
            path, lambda x: parse(x) if x.pop("inputs", None) == inputs else None
        )
        if known is not None:
            return known
    logging.info("Evaluating %s on the %s split.", stage.name, split)
    with stage.run.lock("evaluate"):
        result = measure(stage, data, split)
        files.write_json(path, {"inputs": inputs, **dataclasses.asdict(result)})
    return result


def _to_result(record: dict[str, Any]) -> StageResult:
    evaluation = Evaluation.from_json(record.pop("evaluation"))
    return StageResult(evaluation=evaluation, **record)


def _measure(stage: Stage, data: ImageData, split: str) -> StageResult:
    path = stage.model_path
    if stage.kind.is_keras:
        # Not at the top: it loads TensorFlow, which is not needed to read results.
        from corallite.convert.evaluate import keras_model

        if stage.runner() == "keras":
            sparsity = stage.recall(lambda x: float(x["sparsity"]["overall"]))
            evaluation = keras_model.evaluate_keras(path, data.splits[split])
            return StageResult(stage.name, evaluation, sparsity)
        path = keras_model.export_float(stage, data)
    evaluation = evaluate_file(path, data.splits[split])
    shown = str(path.relative_to(stage.run.path))
    return StageResult(stage.name, evaluation, **describe_file(path, shown))


def describe_file(path: Path, shown: str) -> dict[str, Any]:
    """Returns the fields of a `StageResult` that depend on the file alone."""
    if find_kind(path) is not None:
        return {"file": shown, "machine": describe_machine(), "sparsity": None}
    content = path.read_bytes()
    return {
        "sparsity": kernel_sparsity(content),
        "file": shown,
        "file_bytes": len(content),
        "gzipped_bytes": len(gzip.compress(content, mtime=0)),
        "macs": sum(map(count_macs, read_model(path).main.operators)),
        "peak_memory_bytes": measure_peak_memory(path),
        "machine": describe_machine(),
    }
