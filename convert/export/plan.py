"""Decides from which stage of a run a target is made, and how."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from corallite.convert.accuracy.comparison import MAX_DROP, AccuracyComparison
from corallite.convert.accuracy.record import read_comparison
from corallite.convert.export.targets.target import Target
from corallite.device.learn.fit_refusal import DEFAULT_SETTINGS, RefusalSettings
from corallite.device.system.errors import RequestError
from corallite.optimize.calibrate.choose_images import DEFAULT_COUNT
from corallite.optimize.quantize.qat_stage import train_quantized
from corallite.train.data.load import ImageData
from corallite.train.runs.kinds import KINDS
from corallite.train.runs.recipe import QUANTIZE, Recipe
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage
from corallite.train.runs.unused_stages import warn_of_unused_stages
from corallite.train.training.teaching.teacher import Teaching

SOURCES = KINDS["int8"].parents
METHODS = (*MAX_DROP, "auto")


@dataclasses.dataclass(frozen=True)
class Request:
    """How to export a run's model.

    Attributes:
        source: The stage to export, one of SOURCES; None for the latest that target
            and method accept.
        method: How to quantize, one of METHODS; None: that of the source's kind. "auto"
            tries them in order and takes the first whose measured loss is within the
            limit, or the last; it trains the qat stage if necessary.
        granularity: "channel" or "tensor": the scales of convolutions. None for those
            that the source was trained with, else "channel".
        calibration_count: Maximum number of training images for ranges.
        max_drop: Percentage points of top-1 that the file may be below the first stage
            on the validation split; None for the method's, see `MAX_DROP`.
        refusal: When the label is unknown.
        options: More options of targets, by name; a target ignores those of others.
        recipe: Recipe of the qat stage, if "auto" trains it.
        teaching: Its teacher; None for labels alone.
        overwrite: Export again if it was done with other settings.
    """

    source: str | None = None
    method: str | None = None
    granularity: str | None = None
    calibration_count: int = DEFAULT_COUNT
    max_drop: float | None = None
    refusal: RefusalSettings = DEFAULT_SETTINGS
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    recipe: Recipe = QUANTIZE
    teaching: Teaching | None = None
    overwrite: bool = False


DEFAULT = Request()


@dataclasses.dataclass(frozen=True)
class Plan:
    """One way to export: target, parent stage, method and settings."""

    target: Target
    parent: Stage
    method: str
    inputs: dict[str, Any]


def choose_methods(stage: Stage, target: Target, request: Request) -> Sequence[str]:
    """Returns the methods to try in turn.

    Raises:
        RequestError: There is no such method or source, or they do not go together.
    """
    source, method = request.source, request.method
    if method not in (None, *METHODS) or source not in (None, *SOURCES):
        raise RequestError(
            f"Expected `method` to be one of {', '.join(METHODS)} and `source` one of "
            f"{', '.join(SOURCES)}, got {method!r} and {source!r}."
        )
    if not target.methods:
        return [target.name]
    if method is None:
        return [stage.run.latest(*([source] if source else SOURCES)).kind.method]
    if source is not None and KINDS[source].is_quantized != (method in KINDS):
        raise RequestError(
            f"--method={method} cannot convert the {source} stage; omit --source or "
            "--method."
        )
    if method != "auto":
        return [method]
    # An earlier choice is kept as long as it passes.
    known = read_comparison(stage)
    if known and _is_still_asked_for(stage, request, known):
        return target.methods[target.methods.index(known.method) :]
    return target.methods


def make_plan(
    run: Run, data: ImageData, target: Target, method: str, request: Request
) -> Plan:
    """Returns the plan of a method; "auto" first trains the stage that it needs.

    Raises:
        RequestError: The parent is not finished, or was trained with other scales; or
            there is no such background class.
    """
    request.refusal.find_background(data.class_names)
    parent = _find_parent(run, target, method, request.source)
    warn_of_unused_stages(parent)
    if parent.kind.is_quantized:
        is_missing = not parent.is_complete() or parent.is_outdated()
        if request.method == "auto" and is_missing:
            train_quantized(
                run,
                data,
                request.recipe,
                granularity=request.granularity or "channel",
                teaching=request.teaching,
                overwrite=request.overwrite,
            )
    inputs: dict[str, Any] = {"source": parent.name}
    if target.methods:
        inputs["method"] = method
    inputs |= _choose_options(target, parent, request)
    parent.require()
    inputs |= {"parent": parent.sha256(), "data": data.fingerprint}
    return Plan(target, parent, method, inputs)


def _choose_options(target: Target, parent: Stage, request: Request) -> dict[str, Any]:
    """Returns the options of a target: the requested ones, else their defaults."""
    requested = {
        "calibration_count": request.calibration_count,
        **request.refusal._asdict(),
        **request.options,
    }
    if "granularity" in target.options:
        requested["granularity"] = _choose_granularity(parent, request.granularity)
    return {x: requested.get(x, usual) for x, usual in target.options.items()}


def _find_parent(run: Run, target: Target, method: str, source: str | None) -> Stage:
    """Returns the requested stage, else the latest that target and method accept."""
    if source:
        if not target.accepts(run.stage(source)):
            raise RequestError(
                f"--to={target.name} cannot be made from the {source} stage; leave out "
                "--source."
            )
        return run.stage(source)
    accepted = [x for x in (*SOURCES, "int8") if target.accepts(run.stage(x))]
    if target.methods:
        is_trained = method in KINDS
        accepted = [x for x in accepted if KINDS[x].is_quantized == is_trained]
    return run.latest(*accepted)


def _is_still_asked_for(
    stage: Stage, request: Request, known: AccuracyComparison
) -> bool:
    inputs = stage.metrics().get("inputs", {})
    judged = known.with_limit(request.max_drop)
    has_next = request.method == "auto" and known.method not in KINDS
    return (
        (judged.is_within_limit if has_next else judged.passed)
        and not request.overwrite
        and request.granularity in (None, inputs.get("granularity"))
        and request.calibration_count == inputs.get("calibration_count")
    )


def _choose_granularity(parent: Stage, asked: str | None) -> str:
    """Returns the granularity of scales: the requested one, or that of the parent.

    Raises:
        RequestError: The parent was trained with another than the requested one.
    """
    if not parent.kind.is_quantized:
        return asked or "channel"
    trained = parent.metrics().get("inputs", {}).get("granularity", "channel")
    if asked not in (None, trained):
        raise RequestError(
            f"{parent.path} was trained with per-{trained} scales; for per-{asked} "
            f"scales, run corallite {parent.kind.verb} --run_dir={parent.run.path} "
            f"--granularity={asked} --overwrite."
        )
    return trained
