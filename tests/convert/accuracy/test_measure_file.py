"""The accuracy of a run is recalled, or measured anew where it is not recorded."""

import dataclasses
import json

import pytest
from fixtures.small_run import open_run

from corallite.convert.accuracy.measure_file import compare_file, recall_comparison
from corallite.convert.accuracy.record import PARITY_FILE, read_comparison
from corallite.convert.export.targets.int8 import INT8_FILE
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.run import Run

pytestmark = pytest.mark.slow


def test_what_convert_measured_is_recalled(small_run):
    known = recall_comparison(*open_run(small_run))
    assert known is not None
    assert known == read_comparison(Run.open(small_run).stage("int8"))
    assert known.max_drop == 0.5
    assert recall_comparison(*open_run(small_run), 3.0) == dataclasses.replace(
        known, max_drop=3.0
    )


def test_a_file_without_a_record_is_measured_without_layers(small_copy):
    known = read_comparison(Run.open(small_copy).stage("int8"))
    assert known is not None
    (small_copy / "int8" / PARITY_FILE).unlink()
    measured = recall_comparison(*open_run(small_copy))
    assert measured == dataclasses.replace(known, layer_images=0, layers=[])


def test_before_there_is_an_int8_file_the_models_are_compared(small_copy):
    for name, steps, limit in [
        ("int8", [("float", "pruned"), ("pruned", "qat")], 0.5),
        ("qat", [("float", "pruned")], 1.0),
    ]:
        Run.open(small_copy).stage(name).discard()
        measured = recall_comparison(*open_run(small_copy))
        assert measured is not None
        assert [(x.from_name, x.to_name) for x in measured.steps] == steps
        assert measured.max_drop == limit
    Run.open(small_copy).stage("pruned").discard()
    assert recall_comparison(*open_run(small_copy)) is None


def test_a_damaged_record_is_refused(small_copy):
    files.write_json(small_copy / "int8" / PARITY_FILE, {"part": "val"})
    with pytest.raises(RequestError, match=r"parity\.json is damaged.*`corallite con"):
        recall_comparison(*open_run(small_copy))


def test_a_stage_that_does_not_name_its_parent_is_found_by_the_hash(small_copy):
    known = recall_comparison(*open_run(small_copy))
    assert known is not None
    (small_copy / "int8" / PARITY_FILE).unlink()
    for stage in ("int8", "qat", "pruned"):
        path = small_copy / stage / "metrics.json"
        metrics = json.loads(path.read_text())
        del metrics["parent"]
        files.write_json(path, metrics)
    measured = recall_comparison(*open_run(small_copy))
    assert measured is not None and measured.steps == known.steps


def test_any_file_is_compared_with_the_float_model(small_run, tmp_path):
    known = read_comparison(Run.open(small_run).stage("int8"))
    assert known is not None
    path = small_run / "int8" / INT8_FILE
    compared = compare_file(path, *open_run(small_run), 1.0)
    steps = [(step.from_name, step.to_name) for step in compared.steps]
    assert steps == [("float", "int8"), ("int8", "file")]
    assert compared.steps[1].agreement == 1
    assert compared.overall.difference == known.overall.difference
    assert compared.overall.agreement == known.overall.agreement
    # Without a manifest it must be said that it is of the run's classes.
    content = path.read_bytes()
    other = tmp_path / "other.tflite"
    other.write_bytes(content[: content.index(b"PK\3\4")])
    with pytest.raises(RequestError, match="carries no manifest; give --as_run"):
        compare_file(other, *open_run(small_run), 1.0)
    same = compare_file(other, *open_run(small_run), 1.0, as_run=True)
    assert same.overall == compared.overall


def test_a_file_of_other_classes_is_not_compared(small_run, tmp_path):
    path = tmp_path / "turned.tflite"
    content = (small_run / "int8" / INT8_FILE).read_bytes()
    manifest = Manifest.of_classifier(
        "x", "1", ("red", "blue", "green"), Preprocessing((32, 32))
    )
    path.write_bytes(attach_manifest(content, manifest))
    with pytest.raises(RequestError, match="has the classes red, blue, green"):
        compare_file(path, *open_run(small_run), 1.0)
