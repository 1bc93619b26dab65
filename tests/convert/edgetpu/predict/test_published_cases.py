"""Predictions for models that the real Edge TPU compiler has compiled.

    CORALLITE_EDGETPU_CASES=cases \
        pytest tests/convert/edgetpu/predict/test_published_cases.py

`cases` has a folder with a model.tflite for each entry of its expected.json, which has
the compiler's results. They are too large for the repository.
"""

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.tflite.reader import read_model

FOLDER = os.environ.get("CORALLITE_EDGETPU_CASES")

pytestmark = pytest.mark.skipif(
    not FOLDER, reason="CORALLITE_EDGETPU_CASES names no folder of compiled models"
)


@pytest.fixture(scope="module")
def cases():
    """Pairs of the compiler's result for a model, and the model."""
    folder = Path(FOLDER or "")
    entries = json.loads((folder / "expected.json").read_text())
    return [(e, read_model(folder / e["case"] / "model.tflite")) for e in entries]


def test_the_same_operators_are_mapped(cases):
    for expected, model in cases:
        prediction = predict(model)
        everything = range(len(model.main.operators))
        left = [i for i in everything if i not in prediction.mapped]
        assert left == expected["cpu_op_indices"], expected["case"]
        assert prediction.subgraphs == expected["edgetpu_custom_ops"]


def test_statuses_are_those_of_the_log(cases):
    for expected, model in cases:
        if expected["log_table"] is None:
            continue
        names = [operator.name for operator in model.main.operators]
        found = Counter((names[i], text) for i, text in predict(model).status.items())
        log = {
            (row["op"], row["status"]): row["count"] for row in expected["log_table"]
        }
        assert found == log, expected["case"]


def test_cached_bytes_are_close(cases):
    """The formula is a fit: within 15 % of executables with few channels."""
    for expected, model in cases:
        cached = predict(model).parameters.on_chip
        assert cached == pytest.approx(expected["parameter_cached_bytes"], rel=0.15)
