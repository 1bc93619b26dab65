"""Exports a stage of a run, and accepts the files if they are accurate enough."""

import contextlib
import dataclasses
import hashlib
import importlib.metadata
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import logging

from corallite.convert.accuracy import compare_boxes, gate, measure
from corallite.convert.accuracy.comparison import AccuracyComparison
from corallite.convert.accuracy.gate import AccuracyLostError
from corallite.convert.accuracy.record import (
    PARITY_FILE,
    read_comparison,
    rejected_path,
    write_rejected,
)
from corallite.convert.evaluate.keras_model import (
    predict_boxes_by_model,
    predict_labels,
)
from corallite.convert.evaluate.predict_file import predict_labels_by_file
from corallite.convert.export.plan import (
    DEFAULT,
    Plan,
    Request,
    choose_methods,
    make_plan,
)
from corallite.convert.export.registry import find_target
from corallite.convert.export.targets.target import Candidate, Target
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import atomic
from corallite.train.data.load import ImageData, Split
from corallite.train.runs.kinds import export_stage
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage


def convert(
    run: Run, data: ImageData, request: Request = DEFAULT, target: str = "int8"
) -> Stage:
    """Exports a run's model to a target; returns the new stage.

    Args:
        run: A run with a trained model.
        data: Its images.
        request: How to export it.
        target: A key of `registry.MODULES`.

    Raises:
        RequestError: There is no such model, one of its layers cannot be quantized, or
            another process is writing into the run.
        AccuracyLostError: The file lost more than allowed, or is useless. It is kept
            under another name; a former file stays as it was.
    """
    chosen, stage = find_target(target), run.stage(export_stage(target))
    if data.boxes is not None and not chosen.takes_boxes:
        raise RequestError(
            f"--to={target} takes classifiers only, and {run.path} finds boxes; export "
            "it with --to=int8."
        )
    chosen.require_packages()
    run.first().require()
    with run.lock(stage.kind.verb):
        *others, last = choose_methods(stage, chosen, request)
        for method in others:
            try:
                return _convert_by(method, stage, chosen, request, data, has_next=True)
            except AccuracyLostError as error:
                logging.info("%s is rejected: %s", method, error)
        return _convert_by(last, stage, chosen, request, data)


def _convert_by(
    method: str,
    stage: Stage,
    target: Target,
    request: Request,
    data: ImageData,
    *,
    has_next: bool = False,
) -> Stage:
    """Exports by one method.

    Raises:
        AccuracyLostError: The loss is proven to be above the limit; or, if there is a
            next method, it is measured to be above.
    """
    plan = make_plan(stage.run, data, target, method, request)
    # With --method=auto, a file made by another method is acceptable.
    may_replace = request.overwrite or request.method == "auto"
    if stage.is_done(plan.inputs, may_replace):
        is_unmeasured = target.runner is None and read_comparison(stage) is None
        if is_unmeasured or _passes(stage, request.max_drop, has_next):
            return stage
    candidate = target.export(plan.parent, data, plan.inputs)
    comparison = None
    # A target without a runner may have run its model in the vendor's simulator.
    if target.runner is not None or candidate.labels is not None:
        comparison = _compare(stage, plan, candidate, data, request.max_drop)
        try:
            gate.check(comparison, has_next=has_next)
        except AccuracyLostError:
            _keep_rejected(stage, plan, candidate, comparison)
            raise
    _commit(stage, plan, candidate, comparison)
    return stage


def _passes(stage: Stage, max_drop: float | None, has_next: bool) -> bool:
    """Checks the existing file against the limit; returns False if never measured.

    Raises:
        AccuracyLostError: It fails.
    """
    known = read_comparison(stage)
    if known is None:
        return False
    known = known.with_limit(max_drop)
    gate.check(known, has_next=has_next)
    files.write_json(stage.path / PARITY_FILE, known.to_json())
    return True


def _compare(
    stage: Stage,
    plan: Plan,
    candidate: Candidate,
    data: ImageData,
    max_drop: float | None,
) -> AccuracyComparison:
    """Compares a candidate with the stages that it was made from."""
    lineage, quantized = stage.run.lineage(plan.parent), candidate.quantized
    split = data.judging
    if data.boxes is not None:
        return _compare_boxes(stage, plan, candidate, data, max_drop)
    chain = measure.predict_stages(lineage, split)
    if quantized is not None and not plan.parent.kind.is_quantized:
        chain.append((plan.method, predict_labels(quantized, split)))
    labels = candidate.labels
    if labels is None:
        labels = _predict_labels(candidate, split)
    chain.append((stage.name, labels))
    sha256 = hashlib.sha256(candidate.model).hexdigest()
    granularity = plan.inputs.get("granularity", "unknown")
    compared = measure.compare_models(chain, data, plan.method, granularity, sha256)
    compared = compared.with_limit(max_drop)
    if quantized is None:
        return compared
    of_layers = measure.compare_layers(quantized, split, lineage)
    return dataclasses.replace(compared, **of_layers)


def _compare_boxes(
    stage: Stage,
    plan: Plan,
    candidate: Candidate,
    data: ImageData,
    max_drop: float | None,
) -> AccuracyComparison:
    """Does the same for a model that finds boxes."""
    lineage, quantized = stage.run.lineage(plan.parent), candidate.quantized
    split, predicted = data.judging, candidate.predicted
    if quantized is None or predicted is None:
        raise ValueError(f"Expected {plan.target.name} to have run its model.")
    chain = [(x.name, compare_boxes.predict_stage(x, split)) for x in lineage]
    if not plan.parent.kind.is_quantized:
        chain.append((plan.method, predict_boxes_by_model(quantized, split)))
    chain.append((stage.name, predicted))
    sha256 = hashlib.sha256(candidate.model).hexdigest()
    granularity = plan.inputs["granularity"]
    compared = compare_boxes.compare_found(
        *(chain, data, plan.method, granularity, sha256), max_drop=max_drop
    )
    of_layers = measure.compare_layers(quantized, split, lineage)
    return dataclasses.replace(compared, **of_layers)


def _predict_labels(candidate: Candidate, split: Split) -> np.ndarray:
    with tempfile.TemporaryDirectory() as folder:
        paths = {Path(folder) / name: x for name, x in candidate.files.items()}
        for path, content in paths.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return predict_labels_by_file(next(iter(paths)), split)


def _keep_rejected(
    stage: Stage, plan: Plan, candidate: Candidate, comparison: AccuracyComparison
) -> None:
    """Keeps a rejected file beside the accepted one, under another name."""
    for name, content in candidate.files.items():
        files.write_bytes(rejected_path(stage, name), content)
    write_rejected(stage, comparison, plan.inputs["parent"])


def _commit(
    stage: Stage,
    plan: Plan,
    candidate: Candidate,
    comparison: AccuracyComparison | None,
) -> None:
    with contextlib.ExitStack() as replacing:
        for name, content in candidate.files.items():
            path = replacing.enter_context(atomic.replacing(stage.path / name))
            path.write_bytes(content)
        # Not earlier: after an earlier failure, the former stage stays finished.
        stage.reopen()
    if comparison:
        files.write_json(stage.path / PARITY_FILE, comparison.to_json())
    for name in (PARITY_FILE, *candidate.files):
        rejected_path(stage, name).unlink(missing_ok=True)
    record: dict[str, Any] = {
        "files": list(candidate.files),
        "runner": plan.target.runner,
        "packages": _list_versions(plan.target.packages),
    }
    stage.finish(plan.inputs, {**record, **candidate.record}, plan.parent)


def _list_versions(packages: Sequence[str]) -> dict[str, str]:
    """Returns the version of each package that is installed under this name."""
    versions = {}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return versions
