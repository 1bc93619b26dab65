"""The whole pipeline of a network that finds boxes, up to the file and the report."""

import dataclasses
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from corallite.convert.accuracy.record import read_comparison
from corallite.convert.evaluate.boxes.find_in_file import predict_boxes
from corallite.convert.evaluate.boxes.stages import evaluate_boxes
from corallite.convert.evaluate.keras_model import predict_by_keras
from corallite.convert.evaluate.table import format_results
from corallite.convert.export.convert import convert
from corallite.convert.report.write import write_report
from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import read_manifest
from corallite.device.system.errors import RequestError
from corallite.optimize.prune.magnitude import prune
from corallite.optimize.quantize.qat_stage import train_quantized
from corallite.optimize.slim.budget import Budget
from corallite.optimize.slim.slim_stage import slim
from corallite.train.data.load import ImageData, load_data, prepare_data
from corallite.train.framework.keras import keras
from corallite.train.models.blocks import OURS
from corallite.train.models.detector import add_boxes
from corallite.train.models.network import Network
from corallite.train.runs.recipe import SLIM, Recipe
from corallite.train.runs.run import Run
from corallite.train.training.detect.objective import choose_objective
from corallite.train.training.detect.task import VisionTask
from corallite.train.training.finish_stage import finish_stage
from corallite.train.training.fit import fit
from corallite.train.training.float_stage import cost_metrics
from corallite.train.training.teaching.teacher import Teaching, load_teacher

_SIDE = 32
_NETWORK = Network("mobilenet_v2", 0.1, (_SIDE, _SIDE))
_RECIPE = Recipe(1, 8, "adamw", 0.002, warmup_epochs=0.0, augment="standard")


def write_squares(folder: Path, count: int = 24) -> None:
    """Writes images with a red or a green square on noise, and boxes.json."""
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    images, annotations = [], []
    for number in range(1, count + 1):
        image = rng.integers(0, 90, (_SIDE, _SIDE, 3), np.uint8)
        side, label = int(rng.integers(8, 16)), number % 2
        left, top = (int(x) for x in rng.integers(0, _SIDE - side, 2))
        image[top : top + side, left : left + side, label] = 255
        cv2.imwrite(str(folder / f"{number}.png"), image)
        name = {"file_name": f"{number}.png", "width": _SIDE, "height": _SIDE}
        images.append({"id": number, **name})
        box = {"bbox": [left, top, side, side], "category_id": label}
        annotations.append({"id": number, "image_id": number, **box})
    labels = [{"id": 0, "name": "red"}, {"id": 1, "name": "green"}]
    content = {"images": images, "annotations": annotations, "categories": labels}
    (folder / "boxes.json").write_text(json.dumps(content))


def build_network() -> keras.Model:
    """Returns a network so small that each stage takes seconds."""
    keras.utils.set_random_seed(0)
    image = keras.Input((_SIDE, _SIDE, 3), name="image")
    x = image
    for number in range(3):
        x = OURS.conv_bn(x, 8, 3, stride=2, name=f"conv{number}")
    x = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    x = keras.layers.Dense(2, name="logits")(x)
    classifier = keras.Model(image, keras.layers.Softmax(name="probabilities")(x))
    return add_boxes(classifier, 2, classifies=False, channels=8)


def make_float_stage(run: Run, photos: Path) -> ImageData:
    """Trains the network, which `train` does not offer, as `train` does."""
    task = VisionTask("detect")
    preprocessing = Preprocessing((_SIDE, _SIDE))
    data = prepare_data(photos, run, preprocessing, marked=task.read(photos))
    recipe = dataclasses.asdict(_RECIPE)
    network = {**_NETWORK.to_json(), **task.to_json(), "recipe": recipe}
    run.record({"network": network, "data_dir": str(photos), **task.to_flags()})
    stage, model = run.first(), build_network()
    stage.path.mkdir()
    objective = choose_objective(data, _RECIPE)
    inputs = {"recipe": recipe, "data": data.fingerprint}
    progress = fit(model, data, _RECIPE, stage.path, objective=objective, inputs=inputs)
    finish_stage(stage, model, data, progress, inputs, **cost_metrics(model))
    return data


@pytest.fixture(scope="module")
def detector_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with all stages of a network that finds boxes."""
    folder = tmp_path_factory.mktemp("boxes")
    write_squares(folder / "photos")
    run = Run.open(folder / "run")
    data = make_float_stage(run, folder / "photos")
    prune(run, data, 0.2, _RECIPE)
    train_quantized(run, data, _RECIPE)
    convert(run, data)
    return run.path


def test_the_file_computes_what_its_keras_graph_computes(detector_run: Path) -> None:
    run = Run.open(detector_run)
    data = load_data(run)
    split = data.splits["test"]

    by_file = predict_boxes(run.stage("int8").model_path, split)
    by_keras = predict_by_keras(run.stage("qat").model_path, split)

    highest = [
        (max(x.scores, default=0.0), max(y.scores, default=0.0))
        for x, y in zip(by_file.found, by_keras.found, strict=True)
    ]
    # Scores of the file have steps of 1/256; ties within a heatmap may shift a peak.
    assert max(abs(a - b) for a, b in highest) < 3 / 256


def test_the_manifest_describes_the_boxes(detector_run: Path) -> None:
    manifest = read_manifest(Run.open(detector_run).stage("int8").model_path)

    assert manifest is not None and manifest.boxes is not None
    assert manifest.boxes.labels == ("red", "green")
    assert (manifest.boxes.heatmap, manifest.boxes.boxes) == ("heatmap", "boxes")
    assert 0 < manifest.boxes.threshold < 1
    assert set(manifest.accuracy) == {"float", "int8"}
    assert manifest.selftest is not None


def test_the_gate_compares_map50(detector_run: Path) -> None:
    comparison = read_comparison(Run.open(detector_run).stage("int8"))

    assert comparison is not None
    assert {step.measure for step in comparison.list_steps()} == {"mAP50"}
    names = [step.to_name for step in comparison.steps]
    assert names == ["pruned", "qat", "int8"]


def test_each_stage_is_evaluated_once(detector_run: Path) -> None:
    run = Run.open(detector_run)
    data = load_data(run)

    first, again = evaluate_boxes(run, data), evaluate_boxes(run, data)

    assert first == again
    assert [x.stage for x in first] == ["float", "pruned", "qat", "int8"]
    assert first[-1].evaluation.latency_p50_ms is not None
    assert "| mAP50 |" in format_results(first, data.class_names, "test")


def test_the_report_shows_pictures_with_boxes(detector_run: Path) -> None:
    run = Run.open(detector_run)

    page = write_report(run, load_data(run)).read_text()

    assert '<rect class="marked"' in page
    assert "mAP50" in page
    assert "--task=detect" in page


def test_the_command_of_the_run_names_the_task(detector_run: Path) -> None:
    command = Run.open(detector_run).first().command()

    assert "--task=detect" in command


def test_prune_and_quantize_print_map50(detector_run: Path, programs: Any) -> None:
    recipe = ("--epochs=1", "--batch_size=8", "--optimizer=adamw", "--warmup_epochs=0")
    flags = (*recipe, "--learning_rate=0.002", "--augment=standard")
    run = f"--run_dir={detector_run}"

    # Both stages are finished: only what is printed at the end remains.
    pruned = programs.run("prune", run, "--sparsity=0.2", *flags)
    trained = programs.run("quantize", run, *flags)

    assert pruned.returncode == 0, pruned.stderr
    assert re.search(r"sparsity 0\.2\d\d, validation mAP50 \d\.\d+\n", pruned.stdout)
    assert trained.returncode == 0, trained.stderr
    assert re.search(r"model\S+: validation mAP50 \d\.\d+\n", trained.stdout)


@pytest.mark.parametrize(
    ("verb", "flag", "why"),
    [
        ("prune", "--balance_classes", "is for the loss of classes, but the network"),
        ("quantize", "--label_smoothing=0.2", "is for the loss of classes, but the"),
        ("evaluate", "--as_run", "describes a --model of classes, and"),
    ],
)
def test_flags_that_change_nothing_for_boxes_are_refused(
    detector_run: Path, programs: Any, verb: str, flag: str, why: str
) -> None:
    done = programs.run(verb, f"--run_dir={detector_run}", flag)

    assert done.returncode == 2 and "Traceback" not in done.stderr
    name = flag.split("=")[0]
    assert f"{name} {why}" in done.stderr or f"{name}: {why}" in done.stderr


def test_training_boxes_refuses_weights_of_classes(programs: Any) -> None:
    start = "--data_dir=none", "--run_dir=none", "--task=detect"

    done = programs.run("train", *start, "--balance_classes")

    assert done.returncode == 2
    assert "--balance_classes: is for the loss of classes, but" in done.stderr


def test_a_run_with_boxes_is_no_run_of_classes(detector_run: Path) -> None:
    photos = detector_run.parent / "photos"
    run, data = Run.open(detector_run), load_data(Run.open(detector_run))

    with pytest.raises(RequestError, match="was made with --task=detect; train with"):
        prepare_data(photos, run, data.preprocessing)


def test_what_is_for_classifiers_refuses(detector_run: Path) -> None:
    run = Run.open(detector_run)
    data = load_data(run)

    with pytest.raises(RequestError, match="channels are removed from classifiers"):
        slim(run, data, Budget(max_macs=1), SLIM)
    with pytest.raises(RequestError, match="--to=tflite_float16 takes classifiers"):
        convert(run, data, target="tflite_float16")
    with pytest.raises(RequestError, match="--teacher of train, prune and quantize"):
        load_teacher(Teaching(detector_run), data, run.stage("pruned"))


def test_changed_boxes_are_refused_and_nothing_is_lost(
    detector_run: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "boxes"
    shutil.copytree(detector_run.parent, folder)
    run = Run.open(folder / "run")
    data, model = load_data(run), run.first().model_path.read_bytes()
    path = folder / "photos/boxes.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["bbox"] = [1, 1, 9, 9]
    path.write_text(json.dumps(content))
    marked = VisionTask("detect").read(folder / "photos")

    with pytest.raises(RequestError, match="was made with other boxes"):
        prepare_data(folder / "photos", run, data.preprocessing, marked=marked)

    assert run.first().model_path.read_bytes() == model
    assert load_data(run).fingerprint == data.fingerprint
