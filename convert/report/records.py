"""Checks the records of a run before a report is made from them.

Records can be edited, damaged or of another version. `files.read_record` turns the
errors of these functions into one sentence with the name of the file.
"""

import dataclasses
from typing import Any

from corallite.device.model.refusal import Refusal
from corallite.train.runs.kinds import StageKind
from corallite.train.runs.recipe import ADDED_FIELDS, Recipe

_CURVES = ("loss", "accuracy", "val_loss", "val_accuracy")


def check_run(run: dict[str, Any]) -> dict[str, Any]:
    """Returns the content of `run.json` if it has all that a report needs."""
    network = dict(run["network"])
    height, width = network["size_hw"]
    network |= {
        "model": str(network["model"]),
        "width": float(network["width"]),
        "size_hw": [int(height), int(width)],
    }
    network["recipe"] = _check_recipe(network["recipe"])
    for name in ("config", "file"):
        if name in network:
            network[name] = str(network[name])
    if run.get("weights"):
        network["weights"] = str(network["weights"])
    return {**run, "network": network, "data_dir": str(run["data_dir"])}


def check_metrics(kind: StageKind, metrics: dict[str, Any]) -> dict[str, Any]:
    """Returns a stage's `metrics.json` if it has all that a report needs."""
    inputs = dict(metrics["inputs"])
    checked: dict[str, Any] = {
        "inputs": inputs,
        "finished": str(metrics["finished"]),
        "versions": dict(metrics["versions"]),
    }
    if "recipe" in inputs:
        inputs["recipe"] = _check_recipe(inputs["recipe"])
    if "sparsity" in inputs:
        inputs["sparsity"] = float(inputs["sparsity"])
    if not kind.parents:
        checked |= {name: int(metrics[name]) for name in ("parameters", "macs")}
    if "source" in kind.settings:
        inputs["source"] = str(inputs["source"])
    if "head" in metrics:
        checked["head"] = _check_head(metrics["head"])
    if metrics.get("refusal"):
        checked["refusal"] = Refusal.from_json(metrics["refusal"])
    if "channels" in metrics:
        pairs = metrics["channels"].items()
        checked["channels"] = {str(x): [int(a), int(b)] for x, (a, b) in pairs}
        costs = ("predicted_before", "predicted")
        checked |= {x: _check_costs(metrics[x]) for x in costs}
    if "history" in metrics:
        checked["history"] = [_check_epoch(epoch) for epoch in metrics["history"]]
    return {**metrics, **checked}


def _check_costs(costs: dict[str, Any]) -> dict[str, float]:
    return {str(name): float(cost) for name, cost in costs.items()}


def _check_head(head: dict[str, Any]) -> dict[str, Any]:
    low, high = map(float, head["interval"])
    numbers = {name: float(head[name]) for name in ("penalty", "accuracy")}
    return {**numbers, "folds": int(head["folds"]), "interval": [low, high]}


def _check_recipe(recipe: dict[str, Any]) -> dict[str, Any]:
    recipe = {**ADDED_FIELDS, **recipe}
    return {x.name: recipe[x.name] for x in dataclasses.fields(Recipe)}


def _check_epoch(epoch: dict[str, Any]) -> dict[str, Any]:
    return {**epoch, **{name: float(epoch[name]) for name in _CURVES}}
