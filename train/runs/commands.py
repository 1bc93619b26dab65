"""The command that makes a stage of a run, by what the run has recorded."""

import dataclasses
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corallite.device.system import files
from corallite.train.training.recipe import Recipe

# Each verb has its own defaults of these. The others have those of `Recipe`.
_ALWAYS = ("epochs", "learning_rate", "warmup_epochs")


def name_command(verb: str, run_dir: Path, inputs: Mapping[str, Any]) -> str:
    """Returns a command that makes a stage, or goes on with it, to be pasted.

    Args:
        verb: "train", "prune", "quantize" or "convert".
        run_dir: The run. Without a record of its network, FOLDER stands for the images.
        inputs: What the stage was made from, or begun with; empty if it was not.

    Raises:
        RequestError: The record is damaged.
    """
    flags: dict[str, Any] = {"run_dir": run_dir}
    if verb == "train":
        flags |= _find_train_flags(run_dir / "run.json")
    elif verb in ("prune", "quantize"):
        flags |= {x: inputs[x] for x in ("sparsity", "granularity") if x in inputs}
        flags |= _find_recipe_flags(inputs.get("recipe", {}))
    return format_command(verb, flags)


def format_command(verb: str, flags: Mapping[str, Any]) -> str:
    """Returns a command to be pasted into a shell."""
    return " ".join([f"corallite {verb}", *map(_format, flags, flags.values())])


def list_network_flags(
    network: Mapping[str, Any], fit: str, weights: str | None
) -> dict[str, Any]:
    """Returns the flags of `train` that name a network and what it begins with.

    Args:
        network: Of a run's record.
        fit: How an image is brought to its proportions.
        weights: The file that training began with; None for random weights.
    """
    flags = {
        "model": network["model"],
        "width": network["width"],
        "image_size": network["size_hw"][0],
    }
    if fit != "crop":
        flags["fit"] = fit
    if weights is not None:
        flags["weights"] = weights
        frozen, epochs = network["frozen_epochs"], network["recipe"]["epochs"]
        if frozen == epochs:
            flags["freeze"] = True
        elif frozen:
            flags["unfreeze_epoch"] = frozen
    return flags


def _find_train_flags(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"data_dir": "FOLDER"}
    return files.read_record(path, _parse)


def _parse(run: dict[str, Any]) -> dict[str, Any]:
    network = run["network"]
    fit = network.get("preprocessing", {}).get("fit", "crop")
    return {
        "data_dir": run["data_dir"],
        **list_network_flags(network, fit, run.get("weights")),
        **_find_recipe_flags(network["recipe"]),
    }


def _find_recipe_flags(recipe: Mapping[str, Any]) -> dict[str, Any]:
    usual = dataclasses.asdict(Recipe(epochs=0))
    return {x: y for x, y in recipe.items() if x in _ALWAYS or y != usual.get(x)}


def _format(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return f"--{'' if value else 'no'}{name}"
    return f"--{name}={shlex.quote(str(value))}"
