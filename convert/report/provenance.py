"""Where a run comes from: the commands that make it again, by what it recorded."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from corallite.convert.accuracy.gate import MAX_DROP
from corallite.convert.export.plan import usual_method
from corallite.convert.report.facts import Facts, StageFacts
from corallite.optimize.calibrate.choose_images import DEFAULT_COUNT
from corallite.optimize.prune import magnitude
from corallite.optimize.quantize import qat_stage
from corallite.train.runs.commands import format_command, list_network_flags
from corallite.train.runs.run import VERBS
from corallite.train.training import float_stage
from corallite.train.training.recipe import Recipe

_RECIPES = {
    "float": float_stage.DEFAULT_RECIPE,
    "pruned": magnitude.DEFAULT_RECIPE,
    "qat": qat_stage.DEFAULT_RECIPE,
}


def list_commands(facts: Facts) -> list[str]:
    """Returns a command a stage, and those that measure and report.

    They name settings that are not the default. Paths are without the folders that
    this machine keeps them in.
    """
    run_dir = {"run_dir": facts.run_dir}
    commands = [
        format_command(VERBS[stage.name], {**run_dir, **_find_flags(stage, facts)})
        for stage in facts.stages
    ]
    if facts.compiled:
        commands.append(format_command("compile", {**run_dir, **facts.compile_flags}))
    part = {} if facts.part == "test" else {"part": facts.part}
    return [*commands, format_command("report", {**run_dir, **part})]


def _list_differences(stage: StageFacts) -> dict[str, Any]:
    """Returns the fields of a stage's recipe that are not the default."""
    recipe = stage.metrics["inputs"].get("recipe")
    if recipe is None:
        return {}
    usual = dataclasses.asdict(_RECIPES.get(stage.name, Recipe(epochs=0)))
    return {name: x for name, x in recipe.items() if x != usual.get(name)}


def _find_flags(stage: StageFacts, facts: Facts) -> dict[str, Any]:
    inputs = stage.metrics["inputs"]
    flags: dict[str, Any] = {}
    if stage.name == "float":
        fit, weights = facts.preprocessing.fit, facts.weights_name
        network = list_network_flags(facts.network, fit, weights)
        flags = {"data_dir": facts.data_name, **network}
    elif stage.name == "pruned":
        flags = {"sparsity": inputs["sparsity"]} if "sparsity" in inputs else {}
    elif stage.name == "qat":
        flags = _list_unusual(inputs, {"granularity": "channel"})
    elif stage.name == "int8":
        flags = _find_int8_flags(inputs, facts.parity)
    return {**flags, **_list_differences(stage)}


def _find_int8_flags(
    inputs: Mapping[str, Any], parity: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Returns the flags of `convert`; runs of before recorded fewer inputs."""
    source = inputs["source"]
    usual = {
        "method": usual_method(source),
        "granularity": "channel",
        "calibration_count": DEFAULT_COUNT,
    }
    flags = {"source": source, **_list_unusual(inputs, usual)}
    if parity and parity["max_drop"] != MAX_DROP.get(parity["method"]):
        flags["max_drop"] = parity["max_drop"]
    return flags


def _list_unusual(inputs: Mapping[str, Any], usual: dict[str, Any]) -> dict[str, Any]:
    return {x: inputs[x] for x in usual if inputs.get(x, usual[x]) != usual[x]}
