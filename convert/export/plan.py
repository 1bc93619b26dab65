"""Which stage of a run an int8 file is made of, and how."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from absl import logging

from corallite.convert.accuracy.gate import MAX_DROP, Parity
from corallite.device.system.errors import RequestError
from corallite.optimize.quantize.qat_stage import train_quantized
from corallite.train.runs.run import Stage, latest_stage
from corallite.train.training.recipe import Recipe

SOURCES = ("float", "pruned", "qat")
_SOURCES_OF_QAT = {"float": "float", "pruned": "pruned"}
METHODS = (*MAX_DROP, "auto")


@dataclasses.dataclass(frozen=True)
class Options:
    """What `int8_stage.convert` was asked for; see there."""

    source: str | None
    method: str | None
    granularity: str | None
    calibration_count: int
    max_drop: float | None
    recipe: Recipe
    overwrite: bool


def choose_methods(
    run_dir: Path, options: Options, known: Parity | None
) -> Sequence[str]:
    """Returns the methods to try in turn.

    Args:
        run_dir: The run.
        options: What was asked for.
        known: What was measured of the int8 file that is there.

    Raises:
        RequestError: There is no such method or source, or they do not go together.
    """
    source, method = options.source, options.method
    if method not in (None, *METHODS) or source not in (None, *SOURCES):
        raise RequestError(
            f"Expected `method` to be one of {', '.join(METHODS)} and `source` one of "
            f"{', '.join(SOURCES)}, got {method!r} and {source!r}."
        )
    if method is None:
        taken = source or latest_stage(run_dir, SOURCES).name
        return [usual_method(taken)]
    if source is not None and (source == "qat") != (method == "qat"):
        raise RequestError(
            f"--method={method} does not convert the {source} stage; leave --source "
            "out."
        )
    if method != "auto":
        return [method]
    methods = list(MAX_DROP)
    # What was chosen before stays chosen, as long as it holds.
    if known and _is_still_asked_for(run_dir, options, known):
        return methods[methods.index(known.method) :]
    return methods


def _is_still_asked_for(run_dir: Path, options: Options, known: Parity) -> bool:
    inputs = Stage(run_dir, "int8").metrics().get("inputs", {})
    return (
        known.with_limit(options.max_drop).held
        and not options.overwrite
        and options.granularity in (None, inputs.get("granularity"))
        and options.calibration_count == inputs.get("calibration_count")
    )


def usual_method(source: str) -> str:
    """Returns how a stage is quantized if nobody says how."""
    return "qat" if source == "qat" else "ptq"


def find_parent(method: str, run_dir: Path, options: Options) -> Stage:
    """Returns the stage to quantize; trains that of "qat" if "auto" comes to it."""
    if method != "qat":
        if options.source:
            return Stage(run_dir, options.source)
        return latest_stage(run_dir, ("float", "pruned"))
    stage = Stage(run_dir, "qat")
    is_missing = not stage.is_complete() or stage.is_outdated()
    pruned = Stage(run_dir, "pruned")
    is_older = stage.metrics().get("from") == "float" and pruned.is_complete()
    if is_older and not pruned.is_outdated():
        logging.warning(
            "%s was made of the float stage, not of the pruned one; for that, run "
            "`corallite quantize --run_dir=%s` first.",
            stage.path,
            run_dir,
        )
    if options.method == "auto" and is_missing:
        train_quantized(
            run_dir,
            options.recipe,
            granularity=options.granularity or "channel",
            overwrite=options.overwrite,
        )
    return stage


def choose_granularity(parent: Stage, asked: str | None) -> str:
    """Returns the scales of convolutions: those asked for, or trained with.

    Raises:
        RequestError: The qat stage was trained with others than those asked for.
    """
    if parent.name != "qat":
        return asked or "channel"
    trained = parent.metrics().get("inputs", {}).get("granularity", "channel")
    if asked not in (None, trained):
        raise RequestError(
            f"{parent.path} was trained with a scale per {trained}; for one per "
            f"{asked}: corallite quantize --run_dir={parent.run_dir} "
            f"--granularity={asked} --overwrite."
        )
    return trained


def float_stages(run_dir: Path, parent: Stage) -> list[Stage]:
    """Returns the float stages that a file was made of, the first one first."""
    name = qat_source(parent) if parent.name == "qat" else parent.name
    first = Stage(run_dir, "float")
    return [first] if name == "float" else [first, Stage(run_dir, name)]


def qat_source(stage: Stage) -> str:
    """Returns which stage the finished qat stage began with: "float" or "pruned".

    Raises:
        RequestError: Its record does not say.
    """
    return stage.recall(lambda x: _SOURCES_OF_QAT[x["from"]])
