"""The parity of a run is recalled, or measured anew where nobody wrote it down."""

import dataclasses

import pytest

from corallite.convert.accuracy.measure_file import compare_file, recall_parity
from corallite.convert.export.int8 import INT8_FILE, PARITY_FILE, read_parity
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.run import Stage

pytestmark = pytest.mark.slow


def test_what_convert_measured_is_recalled(small_run):
    known = recall_parity(small_run)
    assert known is not None
    assert known == read_parity(small_run)
    assert known.max_drop == 0.5
    assert recall_parity(small_run, 3.0) == dataclasses.replace(known, max_drop=3.0)


def test_a_file_that_nobody_measured_is_measured_without_layers(small_copy):
    known = read_parity(small_copy)
    assert known is not None
    (small_copy / "int8" / PARITY_FILE).unlink()
    measured = recall_parity(small_copy)
    assert measured == dataclasses.replace(known, layer_images=0, layers=[])


def test_before_there_is_an_int8_file_the_models_are_compared(small_copy):
    for name, hops, limit in [
        ("int8", [("float", "pruned"), ("pruned", "qat")], 0.5),
        ("qat", [("float", "pruned")], 1.0),
    ]:
        Stage(small_copy, name).discard()
        parity = recall_parity(small_copy)
        assert parity is not None
        assert [(hop.from_name, hop.to_name) for hop in parity.hops] == hops
        assert parity.max_drop == limit
    Stage(small_copy, "pruned").discard()
    assert recall_parity(small_copy) is None


def test_a_damaged_record_is_refused(small_copy):
    files.write_json(small_copy / "int8" / PARITY_FILE, {"part": "val"})
    with pytest.raises(RequestError, match=r"parity\.json lacks what was compared.*co"):
        recall_parity(small_copy)


@pytest.mark.parametrize(("stage", "name"), [("int8", "source"), ("qat", "from")])
def test_a_stage_that_does_not_say_what_it_was_made_of_is_refused(
    small_copy, stage, name
):
    (small_copy / "int8" / PARITY_FILE).unlink()
    path = small_copy / stage / "metrics.json"
    metrics = files.read_json(path)
    metrics["inputs"].pop(name, None)
    metrics.pop(name, None)
    files.write_json(path, metrics)
    with pytest.raises(RequestError, match=rf"metrics\.json is damaged.*{name}"):
        recall_parity(small_copy)


def test_any_file_is_held_against_the_float_model(small_run, tmp_path):
    known = read_parity(small_run)
    assert known is not None
    path = small_run / "int8" / INT8_FILE
    parity = compare_file(path, small_run, 1.0)
    hops = [(hop.from_name, hop.to_name) for hop in parity.hops]
    assert hops == [("float", "int8"), ("int8", "file")]
    assert parity.hops[1].agreement == 1
    assert parity.overall.difference == known.overall.difference
    assert parity.overall.agreement == known.overall.agreement
    # Without a manifest it must be said that it is of the run's classes.
    content = path.read_bytes()
    foreign = tmp_path / "foreign.tflite"
    foreign.write_bytes(content[: content.index(b"PK\3\4")])
    with pytest.raises(RequestError, match="carries no manifest; give --as_run"):
        compare_file(foreign, small_run, 1.0)
    same = compare_file(foreign, small_run, 1.0, as_run=True)
    assert same.overall == parity.overall


def test_a_file_of_other_classes_is_not_compared(small_run, tmp_path):
    path = tmp_path / "turned.tflite"
    content = (small_run / "int8" / INT8_FILE).read_bytes()
    manifest = Manifest.of_classifier(
        "x", "1", ("red", "blue", "green"), Preprocessing((32, 32))
    )
    path.write_bytes(attach_manifest(content, manifest))
    with pytest.raises(RequestError, match="knows the classes red, blue, green"):
        compare_file(path, small_run, 1.0)
