"""The file for the device: what it carries, and when it is made."""

import dataclasses
import errno
import json
import subprocess

import numpy as np
import pytest
from fixtures.small_run import open_run

from corallite.convert.accuracy import measure
from corallite.convert.accuracy.comparison import AccuracyComparison
from corallite.convert.accuracy.gate import AccuracyLostError
from corallite.convert.accuracy.record import PARITY_FILE, read_comparison
from corallite.convert.export import convert as convert_module
from corallite.convert.export.plan import Request
from corallite.convert.export.targets.int8 import INT8_FILE
from corallite.device.engine.classifier import Classifier
from corallite.device.model import selftest
from corallite.device.model.manifest import read_manifest
from corallite.device.model.write import attach_manifest
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.optimize.calibrate import choose_images
from corallite.optimize.keras_graph.load import load_model
from corallite.train.data.load import load_data
from corallite.train.runs.record import hash_file
from corallite.train.runs.run import Run
from corallite.train.training.model_file import save_model

pytestmark = pytest.mark.slow
REJECTED_FILE = "model_int8.rejected.tflite"
# A convolution that everything goes through.
BROKEN = "middle"


def convert(run_dir, **request):
    return convert_module.convert(*open_run(run_dir), Request(**request))


def test_the_file_tells_all_that_a_device_needs(small_run):
    manifest = read_manifest(small_run / "int8" / INT8_FILE)
    assert manifest
    data = load_data(Run.open(small_run))
    assert manifest.labels == data.class_names == ("blue", "green", "red")
    assert manifest.preprocessing == data.preprocessing
    assert manifest.data_fingerprint == data.fingerprint
    assert manifest.model == "shufflenet_v2 0.25x"
    assert manifest.accuracy.keys() == {"float", "int8"}
    assert min(manifest.accuracy.values()) > 0.8
    assert "tensorflow" in manifest.versions
    refusal = manifest.classes.refusal
    assert refusal and refusal.photos == len(data.splits["val"].labels)
    assert refusal.target_precision == 0.95 and refusal.background == ""
    assert manifest.selftest == selftest.record(
        Classifier(small_run / "int8" / INT8_FILE)
    )


def test_the_accuracy_is_that_of_the_validation_part(small_run):
    path = small_run / "int8" / INT8_FILE
    part = load_data(Run.open(small_run)).splits["val"]
    classifier = Classifier(path)
    right = [
        classifier.run(image).argmax() == label
        for image, label in zip(part.images_rgb_u8, part.labels, strict=True)
    ]
    accuracy = sum(right) / len(right)
    assert classifier.manifest.accuracy["int8"] == pytest.approx(accuracy, abs=1e-4)
    assert Run.open(small_run).stage("int8").metrics()["val_accuracy"] == (
        pytest.approx(accuracy, abs=1e-4)
    )


def test_a_deleted_file_is_made_again_the_same(small_copy):
    path = small_copy / "int8" / INT8_FILE
    before = path.read_bytes()
    others = Run.open(small_copy).stages()[:3]
    hashes = [other.sha256() for other in others]
    path.unlink()
    convert(small_copy, source="qat")
    # Its version is the name of the run's folder, which is another one.
    manifest = read_manifest(path)
    assert manifest and path.read_bytes() == attach_manifest(before, manifest)
    assert [other.sha256() for other in others] == hashes


def test_the_float_model_can_be_converted_with_training_images(small_copy, monkeypatch):
    seen = []
    choose = choose_images.choose_images

    def remember(part, *arguments):
        seen.append(part)
        return choose(part, *arguments)

    monkeypatch.setattr(
        "corallite.optimize.calibrate.choose_images.choose_images", remember
    )
    stage = convert(small_copy, source="float", overwrite=True)
    train = load_data(Run.open(small_copy)).splits["train"]
    assert [part.paths for part in seen] == [train.paths]
    assert stage.metrics()["inputs"]["source"] == "float"
    assert stage.metrics()["val_accuracy"] > 0.8


def test_other_settings_are_refused(small_copy):
    with pytest.raises(RequestError, match="source qat, now float, method qat, now p"):
        convert(small_copy, source="float")
    assert Run.open(small_copy).stage("int8").is_complete()


@pytest.mark.parametrize(
    ("stage", "verb"), [("qat", "quantize"), ("pruned", "prune"), ("float", "train")]
)
def test_the_verb_that_makes_what_is_missing_is_named(small_copy, stage, verb):
    Run.open(small_copy).stage(stage).discard()
    with pytest.raises(
        RequestError, match=f"finished {stage} stage; run `corallite {verb} "
    ):
        convert(small_copy, source=stage)


def test_the_accuracy_of_the_file_is_in_the_run(small_run):
    parity = read_comparison(Run.open(small_run).stage("int8"))
    assert parity
    assert parity.passed
    steps = [(step.from_name, step.to_name) for step in parity.steps]
    assert steps == [("float", "pruned"), ("pruned", "qat"), ("qat", "int8")]
    assert parity.images == len(load_data(Run.open(small_run)).splits["val"].labels)
    assert (parity.method, parity.max_drop) == ("qat", 0.5)
    metrics = Run.open(small_run).stage("int8").metrics()
    assert parity.overall.top1_to == pytest.approx(metrics["val_accuracy"], abs=1e-4)
    layers = {layer.name for layer in load_model(small_run / "float/model.h5").layers}
    assert {error.layer for error in parity.layers} < layers
    assert all(error.change is not None for error in parity.layers)


@pytest.fixture
def no_layers(monkeypatch):
    """Leaves out the errors of layers, which take a third of a conversion's time."""
    nothing = {"layers": [], "layer_images": 0}
    monkeypatch.setattr(measure, "compare_layers", lambda *arguments: nothing)


def break_layer(path, name, granularity):
    """Makes half the channels, or one weight of each, a thousand times as great."""
    model = load_model(path)
    layer = model.get_layer(name)
    kernel, *rest = layer.get_weights()
    kernel = kernel.copy()
    channels = kernel.reshape(-1, kernel.shape[-1])
    if granularity == "tensor":
        channels[:, ::3] *= 1000
    else:
        channels[np.abs(channels).argmax(0), range(channels.shape[1])] *= 1000
    layer.set_weights([kernel, *rest])
    save_model(model, path)


@pytest.mark.parametrize("granularity", ["tensor", "channel"])
def test_a_broken_layer_is_caught_and_named(small_copy, granularity):
    stage = Run.open(small_copy).stage("int8")
    before = hash_file(stage.model_path), (stage.path / PARITY_FILE).read_bytes()
    break_layer(Run.open(small_copy).stage("pruned").model_path, BROKEN, granularity)
    with pytest.raises(AccuracyLostError, match=BROKEN) as caught:
        convert(small_copy, source="pruned", granularity=granularity, overwrite=True)
    parity = caught.value.comparison
    assert parity.overall.drop_points > 10
    assert BROKEN in parity.changed_layers()
    if granularity == "tensor":
        assert parity.worst_layers()[0] == BROKEN
    # The former file is as it was, and finished; the other is beside it.
    assert before == (
        hash_file(stage.model_path),
        (stage.path / PARITY_FILE).read_bytes(),
    )
    assert stage.is_complete()
    rejected = stage.path / REJECTED_FILE
    assert Classifier(rejected).manifest.accuracy["int8"] == pytest.approx(
        parity.overall.top1_to, abs=1e-4
    )
    content = json.loads((stage.path / "parity.rejected.json").read_text())
    assert AccuracyComparison.from_json(content) == parity


def test_a_file_that_was_made_is_checked_by_another_limit(small_copy):
    path = small_copy / "int8" / PARITY_FILE
    content = json.loads(path.read_text())
    content["overall"] |= {"difference": -0.004, "interval": [-0.004, -0.004]}
    files.write_json(path, content)
    convert(small_copy, source="qat", max_drop=0.4)
    assert json.loads(path.read_text())["max_drop"] == 0.4
    with pytest.raises(
        AccuracyLostError, match="0.40 percentage points below float.*max_drop=0.3"
    ):
        convert(small_copy, source="qat", max_drop=0.3)
    assert Run.open(small_copy).stage("int8").is_complete()
    assert json.loads(path.read_text())["max_drop"] == 0.4


def test_auto_stops_at_the_first_that_passes(small_copy, no_layers, monkeypatch):
    drops = {"ptq": -0.3, "ptq_corrected": -0.02, "qat": 0.0}
    tried = []
    compare = measure.compare_models

    def pretend(*arguments):
        compared = compare(*arguments)
        tried.append(compared.method)
        difference = drops[compared.method]
        overall = dataclasses.replace(
            compared.overall, difference=difference, interval=(difference, difference)
        )
        return dataclasses.replace(compared, overall=overall)

    monkeypatch.setattr(measure, "compare_models", pretend)
    stage = convert(small_copy, method="auto", max_drop=2.0, overwrite=True)
    assert tried == ["ptq", "ptq_corrected"]
    assert stage.metrics()["inputs"]["method"] == "ptq_corrected"
    assert stage.metrics()["calibration"]["images"] > 0
    assert not (stage.path / REJECTED_FILE).exists()
    # Asked again, nothing is done; by a narrower limit, the choice goes on.
    convert(small_copy, method="auto", max_drop=2.0)
    assert len(tried) == 2
    convert(small_copy, method="auto", max_drop=1.0)
    # The file that is there is checked by the narrower limit without being made again.
    assert tried[2:] == ["ptq", "qat"]
    parity = read_comparison(Run.open(small_copy).stage("int8"))
    assert parity is not None and parity.method == "qat"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "qat", "source": "float"}, "method=qat cannot convert the float"),
        ({"method": "ptq", "source": "qat"}, "method=ptq cannot convert the qat"),
        ({"method": "best"}, "ptq, ptq_corrected, qat, auto and .*got 'best'"),
        (
            {"source": "qat", "granularity": "tensor"},
            "per-channel scales; for per-tensor scales, run corallite quantize .*--ov",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(small_run, options, message):
    with pytest.raises(RequestError, match=message):
        convert(small_run, **options)


@pytest.fixture
def instant_conversion(small_run, monkeypatch):
    """Has the converter give what it gave before."""
    content = (small_run / "int8" / INT8_FILE).read_bytes()
    monkeypatch.setattr(
        "corallite.convert.tflite.converter.convert_to_int8",
        lambda model, images: content,
    )


def test_a_failed_conversion_leaves_the_former_file(
    small_copy, instant_conversion, monkeypatch
):
    stage = Run.open(small_copy).stage("int8")
    before = hash_file(stage.model_path)

    def fail(path, content):
        if ".part" in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", fail)
    with pytest.raises(OSError, match="No space") as caught:
        convert(small_copy, source="float", overwrite=True)
    assert caught.value.filename == str(stage.model_path)
    assert hash_file(stage.model_path) == before
    assert stage.is_complete()
    assert stage.metrics()["inputs"]["source"] == "qat"
    assert not [x for x in stage.path.iterdir() if ".part" in x.name]


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 8 MB; needs the right to mount."""
    path = tmp_path / "disk"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting is not permitted here")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


def test_on_a_full_disk_the_former_file_stays(
    small_disk, small_copy, instant_conversion
):
    run_dir = small_disk / "run"
    subprocess.run(["cp", "-r", str(small_copy), str(run_dir)], check=True)
    stage = Run.open(run_dir).stage("int8")
    before = hash_file(stage.model_path)
    with (small_disk / "filler").open("wb", buffering=0) as filler:
        with pytest.raises(OSError):
            while True:
                filler.write(bytes(4096))
    with pytest.raises(OSError) as caught:
        convert(run_dir, source="float", overwrite=True)
    assert caught.value.errno == errno.ENOSPC
    assert caught.value.filename == str(stage.model_path)
    assert hash_file(stage.model_path) == before
    assert stage.is_complete()
    assert stage.metrics()["inputs"]["source"] == "qat"
