"""Derives the command that makes a stage from the records of the run."""

import dataclasses
import shlex
from collections.abc import Mapping
from typing import Any

from corallite.train.runs.kinds import KINDS, StageKind
from corallite.train.runs.recipe import (
    BOXES_PRETRAINED,
    PRETRAINED,
    SHARED_FIELDS,
    TRAIN,
    Recipe,
)

# The stage of a brief training of `corallite search` is this and a number.
TRIAL = "trial"


def format_command(verb: str, flags: Mapping[str, Any]) -> str:
    """Returns a command to be pasted into a shell."""
    return " ".join([f"corallite {verb}", *map(_format, flags, flags.values())])


def list_flags(kind: StageKind, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the flags of a stage that are not the default.

    Args:
        kind: Of the stage.
        inputs: Its recorded inputs; empty if it was not begun.
    """
    settings = {
        kind.flag_names.get(name, name): inputs[name]
        for name, default in kind.settings.items()
        if inputs.get(name, default) != default
    }
    target = {"to": kind.target} if kind.target else {}
    recipe = _list_recipe_flags(inputs.get("recipe"), kind.recipe, "task" in inputs)
    return {**target, **settings, **recipe}


def name_recipe_flag(stage: str, field: str) -> str:
    """Returns the flag of a training's setting, as an error names it.

    The same error may end `corallite pipeline`, whose flag has another name, or
    `corallite convert --method=auto`, which has no such flag.

    Args:
        stage: The stage that is trained.
        field: A field of `Recipe`.
    """
    kind = KINDS.get(stage)
    if stage.startswith(TRIAL) and field == "epochs":
        return "--trial_epochs"
    if kind is None or not kind.parents:
        return f"--{field}"
    flag = f"--{field} of `corallite {kind.verb}`"
    if field in SHARED_FIELDS:
        return flag
    return f"{flag} (--{kind.prefix}{field} of `corallite pipeline`)"


def list_run_flags(run: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the flags of `train` or `adopt` with which a run was begun.

    Args:
        run: Content of `run.json`.
    """
    network = run["network"]
    if "adopted" in network:
        known = dict(network["adopted"])
        return {"data_dir": run["data_dir"], **_list_group(run), **known}
    flags = {
        "data_dir": run["data_dir"],
        "model": network.get("file") or network["model"],
        "width": network["width"],
        "image_size": network["size_hw"][0],
        **_list_group(run),
    }
    if "file" in network:
        del flags["width"]
    fit = network.get("preprocessing", {}).get("fit", "crop")
    if fit != "crop":
        flags["fit"] = fit
    recipe = network["recipe"]
    flags["weights"] = run.get("weights") or "random"
    if run.get("weights") is not None:
        # Earlier versions had other ways to freeze layers.
        if "frozen" in network:
            flags["freeze"] = network["frozen"]
    for name in ("task", "boxes", "teacher", "unlabelled_dir", "teacher_loss"):
        if name in run:
            flags[name] = run[name]
    return flags | _list_recipe_flags(recipe, TRAIN, "task" in run)


def find_first_verb(run: Mapping[str, Any]) -> str:
    """Returns the verb with which a run was begun, by the content of `run.json`."""
    return "adopt" if "adopted" in run["network"] else "train"


def _list_group(run: Mapping[str, Any]) -> dict[str, Any]:
    return {x: run[x] for x in ("group_by",) if run.get(x) is not None}


def _list_recipe_flags(
    recipe: Mapping[str, Any] | None, defaults: Recipe | None, has_boxes: bool
) -> dict[str, Any]:
    usual = dataclasses.asdict(defaults) if defaults else {}
    if usual and usual["optimizer"] is None:
        of_boxes, of_classes = BOXES_PRETRAINED.optimizer, PRETRAINED.optimizer
        usual["optimizer"] = of_boxes if has_boxes else of_classes
    if has_boxes:
        usual["balance_classes"] = False
    changed = {x: y for x, y in (recipe or {}).items() if y != usual.get(x)}
    # False is what None became.
    return {x: y for x, y in changed.items() if usual.get(x, y) is not None or y}


def _format(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{'' if value else 'no'}{name}"
    return f"--{name}={shlex.quote(str(value))}"
