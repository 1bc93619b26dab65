"""Training, calibration, evaluation and camera see the same bytes of the same image.

tests/golden holds small images and, in pixels.npz, what each is for a 32x32 model with
each fit. The pixels were written once, by `fit_image(read_image(path), ...)`, and
looked at; a change of decoder or resize that moves one of them shows up here.
"""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import FITS, Preprocessing, fit_image, read_image
from corallite.device.model.manifest import Manifest

GOLDEN = Path(__file__).parent / "golden"
IMAGES = sorted(p for p in GOLDEN.iterdir() if p.suffix != ".npz")
SIZE_HW = (32, 32)


@pytest.fixture(scope="module")
def golden():
    """The stored pixels, uint8 [32, 32, 3], by (file name, fit)."""
    with np.load(GOLDEN / "pixels.npz") as stored:
        return {tuple(key.split(" ")): stored[key] for key in stored.files}


@pytest.fixture(scope="module")
def golden_data(tmp_path_factory):
    """The images as a data set: all in each of two classes' training folders."""
    from corallite.train.data.load import prepare_data
    from corallite.train.runs.run import Run

    folder = tmp_path_factory.mktemp("golden")
    for part in ("train", "val", "test"):
        for label, name in enumerate(("even", "odd")):
            (folder / "data" / part / name).mkdir(parents=True)
            for path in IMAGES[label::2]:
                (folder / "data" / part / name / path.name).write_bytes(
                    path.read_bytes()
                )
    return prepare_data(
        folder / "data", Run.open(folder / "run"), Preprocessing(SIZE_HW)
    )


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    """A full-int8 model whose 3072 answers are the bytes of its input, /255."""
    from corallite.train.framework.keras import keras, tf

    inputs = keras.Input((*SIZE_HW, 3), batch_size=1)
    model = keras.Model(inputs, keras.layers.Flatten()(inputs))
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: (
        [np.full((1, *SIZE_HW, 3), level, np.float32)] for level in (0, 1)
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    path = tmp_path_factory.mktemp("mirror") / "mirror.tflite"
    path.write_bytes(converter.convert())
    return path


LABELS = tuple(str(i) for i in range(32 * 32 * 3))


def as_bytes(shares):
    return np.round(255 * np.asarray(shares)).astype(np.uint8).reshape(*SIZE_HW, 3)


def test_every_image_has_its_pixels(golden):
    assert set(golden) == {(path.name, fit) for path in IMAGES for fit in FITS}


@pytest.mark.parametrize("fit", FITS)
@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_device_preprocessing(path, fit, golden):
    pixels = fit_image(read_image(path), Preprocessing(SIZE_HW, fit))
    np.testing.assert_array_equal(pixels, golden[path.name, fit])


def test_training_cache(golden, golden_data):
    for part in golden_data.splits.values():
        assert len(part.paths) == len(IMAGES)
        for pixels, path in zip(part.images_rgb_u8, part.paths, strict=True):
            np.testing.assert_array_equal(pixels, golden[Path(path).name, "crop"])


def test_calibration(golden, golden_data):
    from corallite.optimize.calibrate.choose_images import choose_images

    chosen = choose_images(golden_data.splits["train"])
    found = {as_bytes(image).tobytes() for image in chosen}
    assert found == {golden[path.name, "crop"].tobytes() for path in IMAGES}


def test_evaluation_of_keras_models(golden, golden_data):
    from corallite.train.data.input_pipeline import evaluation_batches

    part = golden_data.splits["test"]
    batches = [images for images, *_ in evaluation_batches(part, 4, 2)]
    for image, path in zip(np.concatenate(batches), part.paths, strict=True):
        np.testing.assert_array_equal(
            as_bytes(image), golden[Path(path).name, "crop"], err_msg=path
        )


@pytest.mark.parametrize("fit", FITS)
def test_what_reaches_the_int8_model(fit, golden, mirror):
    manifest = Manifest("mirror", "1", LABELS, Preprocessing(SIZE_HW, fit))
    classifier = Classifier(mirror, manifest=manifest)
    for path in IMAGES:
        answers = classifier.classify(read_image(path))
        np.testing.assert_array_equal(
            as_bytes(answers), golden[path.name, fit], err_msg=path.name
        )


@pytest.mark.slow
def test_the_classify_verb(golden, mirror, tmp_path):
    (tmp_path / "labels.txt").write_text("\n".join(LABELS))
    command = [
        *(sys.executable, "-m", "corallite.device.cli.classify_main", "--json"),
        *(f"--model={mirror}", f"--source={GOLDEN}", f"--top_k={len(LABELS)}"),
        *(f"--labels={tmp_path / 'labels.txt'}", "--fit=crop"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    frames = [json.loads(line) for line in done.stdout.splitlines()]
    assert [Path(frame["source"]).name for frame in frames] == [p.name for p in IMAGES]
    for frame in frames:
        shares = np.empty(len(LABELS))
        for answer in frame["top"]:
            shares[int(answer["label"])] = answer["probability"]
        name = Path(frame["source"]).name
        np.testing.assert_array_equal(as_bytes(shares), golden[name, "crop"], name)
