"""Records that lack what a report shows."""

import copy
import dataclasses
from typing import Any

import pytest

from corallite.convert.report.records import check_metrics, check_run
from corallite.train.runs.kinds import find_kind
from corallite.train.runs.recipe import Recipe

RECIPE = dataclasses.asdict(Recipe(epochs=2))
EPOCH = {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.2, "val_accuracy": 0.4}
RUN = {
    "network": {
        "model": "shufflenet_v2",
        "width": 0.5,
        "size_hw": [32, 32],
        "recipe": RECIPE,
        "weights": "0123",
        "frozen": False,
    },
    "data_dir": "photos",
    "weights": "weights.h5",
}
METRICS = {
    "inputs": {"recipe": RECIPE, "sparsity": 0.5, "source": "qat"},
    "parameters": 700,
    "macs": 3000,
    "head": {"penalty": 0.1, "folds": 5, "accuracy": 0.8, "interval": [0.7, 0.9]},
    "history": [EPOCH],
    "finished": "2026-01-02T03:04:05+00:00",
    "versions": {"corallite": "0.1.0"},
}
# What `files.read_record` turns into a sentence.
DAMAGE = (AttributeError, KeyError, TypeError, ValueError)


def without(record, path):
    changed = copy.deepcopy(record)
    inner = changed
    for name in path[:-1]:
        inner = inner[name]
    del inner[path[-1]]
    return changed


def test_records_that_are_whole_stay_as_they_are():
    assert check_run(RUN) == RUN
    for stage in ("float", "pruned", "qat", "int8"):
        assert check_metrics(find_kind(stage), METRICS) == METRICS


@pytest.mark.parametrize(
    "path",
    [
        ["network"],
        ["data_dir"],
        ["network", "model"],
        ["network", "width"],
        ["network", "size_hw"],
        ["network", "size_hw", 0],
        ["network", "recipe"],
        ["network", "recipe", "seed"],
        ["network", "weights"],
    ],
)
def test_a_run_that_lacks_something_is_damaged(path):
    with pytest.raises(DAMAGE):
        check_run(without(RUN, path))


@pytest.mark.parametrize(
    ("stage", "path"),
    [
        ("float", ["parameters"]),
        ("float", ["macs"]),
        ("float", ["head", "folds"]),
        ("float", ["head", "interval", 0]),
        ("pruned", ["finished"]),
        ("pruned", ["versions"]),
        ("pruned", ["inputs", "recipe", "optimizer"]),
        ("qat", ["history", 0, "val_loss"]),
        ("int8", ["inputs"]),
        ("int8", ["inputs", "source"]),
    ],
)
def test_a_stage_that_lacks_something_is_damaged(stage, path):
    with pytest.raises(DAMAGE):
        check_metrics(find_kind(stage), without(METRICS, path))


def test_what_is_of_no_kind_to_show_is_damaged():
    odd: list[tuple[str, dict[str, Any]]] = [
        ("float", {"macs": None}),
        ("pruned", {"inputs": {"sparsity": "half"}}),
        ("qat", {"history": [{**EPOCH, "loss": None}]}),
    ]
    for stage, changes in odd:
        with pytest.raises(DAMAGE):
            check_metrics(find_kind(stage), {**METRICS, **changes})
