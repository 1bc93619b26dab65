"""A report's facts without a run, and graphs without a file."""

import dataclasses
import datetime
from typing import Any

import numpy as np
import pytest

from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.evaluate.metrics import StageResult, score
from corallite.convert.report.facts import Facts, StageFacts
from corallite.convert.report.thumbnails import show_mistakes
from corallite.convert.tflite.model import Graph, Model, Operator, Tensor
from corallite.device.image.preprocess import Preprocessing
from corallite.train.data.load import Split
from corallite.train.runs.kinds import find_kind
from corallite.train.runs.recipe import Recipe

DATE = datetime.datetime(2026, 1, 2, 3, 4, tzinfo=datetime.timezone.utc)


def make_graph(*operators):
    """A graph of (type, names of inputs, name of output), from "in" to the last."""
    tensors: dict[str, Tensor] = {}

    def tensor(name):
        shape = (1, 8, 8, 4)
        made = Tensor(len(tensors), name, "INT8", shape, scales=(0.5,))
        return tensors.setdefault(name, made)

    made = [
        Operator(i, kind, 1, tuple(map(tensor, read)), (tensor(written),))
        for i, (kind, read, written) in enumerate(operators)
    ]
    first, last = tensor("in"), tensor(operators[-1][2])
    return Graph(tuple(tensors.values()), tuple(made), (first,), (last,))


@pytest.fixture(name="make_graph")
def make_graph_fixture():
    """A function: see above."""
    return make_graph


@pytest.fixture
def make_facts():
    """A function that returns facts of made-up stages: (class_names, **changes)."""

    def make(class_names=("cat", "dog", "owl"), *, is_right=False, **changes):
        classes = len(class_names)
        rng = np.random.default_rng(0)
        labels = np.arange(4 * classes) % classes
        answers = rng.dirichlet(np.full(classes, 0.3), len(labels))
        if is_right:
            answers = np.eye(classes)[labels]
        evaluation = score(answers, labels)
        part = Split(
            rng.integers(0, 255, (len(labels), 32, 32, 3), np.uint8),
            labels,
            tuple(f"{class_names[x]}/{i}.png" for i, x in enumerate(labels)),
        )
        graph = make_graph(
            ("CONV_2D", ["in"], "a"), ("ELU", ["a"], "b"), ("CONV_2D", ["b"], "c")
        )
        model = Model(3, "", (graph,), (), {}, b"")
        facts = Facts(
            run_dir="runs/made-up",
            network={
                "model": "shufflenet_v2",
                "width": 0.5,
                "size_hw": [32, 32],
                "recipe": dataclasses.asdict(Recipe(epochs=2)),
            },
            data_name="photos",
            weights_name=None,
            class_names=tuple(class_names),
            preprocessing=Preprocessing((32, 32)),
            counts=dict.fromkeys(("train", "val", "test"), [4] * classes),
            fingerprint="f" * 64,
            unreadable=0,
            split="test",
            stages=[make_stage("float", evaluation), make_stage("int8", evaluation)],
            others=[],
            pictures=show_mistakes(evaluation.mistakes[:24], part, class_names),
            doubtful=[],
            accuracy=None,
            sensitivity=None,
            model=model,
            edgetpu=predict(model),
            is_predicted=True,
            versions={"corallite": "0.1.0"},
            machine="a machine",
            made=DATE,
        )
        return dataclasses.replace(facts, **changes)

    return make


def make_stage(name, evaluation):
    evaluation = dataclasses.replace(
        evaluation, latency_p50_ms=0.5, latency_p95_ms=0.75
    )
    result = StageResult(name, evaluation, 0.5, f"{name}.tflite", 2000, 1000, 3000)
    metrics: dict[str, Any] = {
        "inputs": {"source": "float"},
        "finished": "2026-01-02T03:04:05+00:00",
        "versions": {"corallite": "0.1.0"},
    }
    if name != "int8":
        epoch = {"loss": 1.0, "accuracy": 0.5, "val_loss": 1.2, "val_accuracy": 0.4}
        metrics |= {"history": [epoch, epoch], "parameters": 700, "macs": 3000}
        metrics["inputs"] = {"recipe": dataclasses.asdict(Recipe(epochs=2))}
    return StageFacts(find_kind(name), metrics, {f"{name}/model": name[0] * 64}, result)
