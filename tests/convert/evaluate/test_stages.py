"""Every stage is measured once, and what cannot be compared is refused."""

import json
import shutil

import numpy as np
import pytest
from fixtures.small_models import write_model
from fixtures.small_run import open_run

from corallite.convert.evaluate.stages import evaluate_one_file, evaluate_run
from corallite.convert.export.targets.int8 import INT8_FILE
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.description.describe import Overrides
from corallite.device.model.manifest import Manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.data.load import load_data
from corallite.train.runs.run import Run

pytestmark = pytest.mark.slow
RECORD = "evaluation_test.json"


def test_all_stages_are_measured_on_the_test_split(small_run):
    results = evaluate_run(*open_run(small_run))
    assert [x.stage for x in results] == ["float", "pruned", "qat", "int8"]
    count = len(load_data(Run.open(small_run)).splits["test"].labels)
    for result in results:
        assert result.evaluation.images == count
        assert np.sum(result.evaluation.confusion) == count
        # Three colours: chance is 0.33.
        assert result.evaluation.top1 > 0.8
    assert results[0].sparsity == pytest.approx(0, abs=0.01)
    for result in results[1:]:
        assert result.sparsity == pytest.approx(0.1, abs=0.03)
    sizes = [x.file_bytes or 0 for x in results]
    gzipped = [x.gzipped_bytes or 0 for x in results]
    assert 0 < gzipped[1] < gzipped[0]
    assert sizes[2] == gzipped[2] == 0
    assert (small_run / str(results[3].file)).stat().st_size == sizes[3]


def test_what_was_measured_is_kept(small_copy):
    records = sorted(small_copy.glob(f"*/{RECORD}"))
    before = [path.stat().st_mtime_ns for path in records]
    results = evaluate_run(*open_run(small_copy))
    assert [path.stat().st_mtime_ns for path in records] == before
    assert results == evaluate_run(*open_run(small_copy))
    assert len(records) == 4
    # The same as when it was measured, types included.
    files.write_json(records[0], {**json.loads(records[0].read_text()), "inputs": {}})
    anew = evaluate_run(*open_run(small_copy))[0].evaluation
    latency = {"latency_p50_ms": None, "latency_p95_ms": None}
    kept = results[0].evaluation
    assert {**anew.__dict__, **latency} == {**kept.__dict__, **latency}


def test_a_stage_whose_sparsity_is_not_recorded_is_refused(small_copy):
    (small_copy / "qat" / RECORD).unlink(missing_ok=True)
    path = small_copy / "qat" / "metrics.json"
    metrics = json.loads(path.read_text())
    del metrics["sparsity"]
    files.write_json(path, metrics)
    with pytest.raises(RequestError, match=r"qat/metrics\.json is damaged.*sparsity"):
        evaluate_run(*open_run(small_copy))


def test_an_older_record_is_measured_anew(small_copy):
    path = small_copy / "float" / RECORD
    record = json.loads(path.read_text())
    del record["inputs"]["format"], record["evaluation"]["calibration"]
    files.write_json(path, record)
    assert evaluate_run(*open_run(small_copy))[0].evaluation.calibration


def test_files_are_measured_for_cost_and_memory(small_run):
    results = {result.stage: result for result in evaluate_run(*open_run(small_run))}
    metrics = Run.open(small_run).stage("float").metrics()
    assert results["float"].macs == results["int8"].macs == metrics["macs"]
    assert results["qat"].macs is None
    # An interpreter of Python with NumPy takes 20 MB; TensorFlow would take 500.
    assert 20 < (results["int8"].peak_memory_bytes or 0) / 1e6 < 300
    assert results["int8"].machine


def test_another_model_is_measured_anew(small_copy):
    first = evaluate_run(*open_run(small_copy))
    float_model = Run.open(small_copy).stage("float").model_path
    shutil.copy(Run.open(small_copy).stage("pruned").model_path, float_model)
    second = evaluate_run(*open_run(small_copy))
    assert second[0].sparsity == first[1].sparsity
    assert second[0].evaluation.confusion == first[1].evaluation.confusion
    # All others were made from the former one.
    assert [result.stage for result in second] == ["float"]


def test_splits_are_kept_apart(small_copy):
    evaluate_run(*open_run(small_copy), "val")
    assert (small_copy / "int8" / "evaluation_val.json").exists()
    content = json.loads((small_copy / "int8" / RECORD).read_text())
    assert content["evaluation"]["images"] == len(
        load_data(Run.open(small_copy)).splits["test"].labels
    )


def test_without_float_stage_the_verb_is_named(small_copy):
    Run.open(small_copy).stage("float").discard()
    with pytest.raises(RequestError, match="no finished float stage; run `corallite t"):
        evaluate_run(*open_run(small_copy))


def test_one_file_is_measured_as_its_stage(small_run):
    path = small_run / "int8" / INT8_FILE
    result = evaluate_one_file(path, *open_run(small_run), "test")
    stage = evaluate_run(*open_run(small_run))[3]
    assert result.file == str(path)
    assert result.evaluation.confusion == stage.evaluation.confusion
    assert result.gzipped_bytes == stage.gzipped_bytes


def test_a_file_without_manifest_is_taken_to_be_of_the_run(small_run, tmp_path):
    path = tmp_path / "third_party.tflite"
    content = (small_run / "int8" / INT8_FILE).read_bytes()
    path.write_bytes(content[: content.index(b"PK\3\4")])
    with pytest.raises(RequestError, match="carries no manifest; give --as_run"):
        evaluate_one_file(path, *open_run(small_run), "test")
    result = evaluate_one_file(path, *open_run(small_run), "test", as_run=True)
    stage = evaluate_run(*open_run(small_run))[3]
    assert result.evaluation.confusion == stage.evaluation.confusion


def test_a_multi_label_file_is_measured_only_by_its_highest_label(small_run, tmp_path):
    path = tmp_path / "third_party.tflite"
    path.write_bytes(write_model((1, 32, 32, 3), last="LOGISTIC"))
    run = open_run(small_run)
    with pytest.raises(RequestError, match="multi-label.*--output=probabilities"):
        evaluate_one_file(path, *run, "test", as_run=True)
    says = Overrides(output="probabilities")
    result = evaluate_one_file(path, *run, "test", as_run=True, overrides=says)
    logits = tmp_path / "logits.tflite"
    logits.write_bytes(write_model((1, 32, 32, 3), last=None))
    same = evaluate_one_file(logits, *run, "test", as_run=True)
    assert same.evaluation.confusion == result.evaluation.confusion


@pytest.mark.parametrize(
    ("labels", "size_hw", "message"),
    [
        (("cat", "dog", "owl"), (32, 32), "has the classes cat, dog, owl"),
        (("blue", "green", "red"), (64, 64), "give a run with the same"),
    ],
)
def test_a_file_of_another_task_is_refused(
    small_run, tmp_path, labels, size_hw, message
):
    path = tmp_path / "other.tflite"
    manifest = Manifest.of_classifier("other", "1", labels, Preprocessing(size_hw))
    content = (small_run / "int8" / INT8_FILE).read_bytes()
    path.write_bytes(attach_manifest(content, manifest))
    with pytest.raises(RequestError, match=message):
        evaluate_one_file(path, *open_run(small_run), "test")
