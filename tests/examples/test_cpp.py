"""The C++ program, built without OpenCV, against this package on the same models."""

import json

import numpy as np
import pytest
from fixtures import cpp_program
from fixtures.small_models import write_model

from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import Preprocessing
from corallite.device.model.manifest import LOGITS, ClassesOutput, ImageInput, Manifest
from corallite.device.model.refusal import Refusal
from corallite.device.model.write import attach_manifest

LABELS = ("red", 'gr"een\\', "blÜe")
IMAGE = ImageInput(Preprocessing((8, 4)))

pytestmark = [pytest.mark.slow, cpp_program.needs_compiler]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    return cpp_program.build(tmp_path_factory.mktemp("build"), with_opencv=False)


@pytest.fixture
def classify(program, tmp_path):
    """A function that runs the program: (model, *arguments)."""
    return cpp_program.classify_with(program, tmp_path)


def describe(refusal=None, **classes):
    output = ClassesOutput(LABELS, refusal=refusal, **classes)
    return Manifest("small", "1", (IMAGE,), (output,))


def make_model(manifest=None, **options):
    content = write_model((1, 8, 4, 3), **options)
    return attach_manifest(content, manifest or describe())


def write_images(folder, count):
    images = np.random.default_rng(0).integers(0, 256, (count, 8, 4, 3), np.uint8)
    for number, image in enumerate(images):
        (folder / f"{number}.rgb").write_bytes(image.tobytes())
    return images


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"kind": "INT8"},
        {"kind": "UINT8", "scale": (1 / 255, 0)},
        {"kind": "INT8", "scale": (1.03 / 255, -127)},
        {"last": None, "manifest": describe(values=LOGITS)},
        {"manifest": describe(Refusal(temperature=0.5))},
    ],
    ids=["float32", "int8", "uint8", "another scale", "logits", "temperature"],
)
def test_scores_are_those_of_python(classify, tmp_path, options):
    model = make_model(**options)
    images = write_images(tmp_path, 20)
    paths = [f"{number}.rgb" for number in range(len(images))]
    done = classify(model, "--raw", "--scores", *paths)
    assert (done.returncode, done.stderr) == (0, "")
    ours = Classifier(tmp_path / "model.tflite")
    expected = [ours.run(image) for image in images]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [x["source"] for x in found] == paths
    assert [x["label"] for x in found] == [LABELS[np.argmax(x)] for x in expected]
    # The last two compute powers, which libraries round differently.
    tolerance = 1e-6 if "manifest" in options else 0
    np.testing.assert_allclose(
        np.array([x["scores"] for x in found], np.float32), expected, rtol=tolerance
    )
    assert [x["probability"] for x in found] == pytest.approx(
        [max(x) for x in expected], abs=1e-6
    )
    assert all(x["latency_ms"] > 0 for x in found)


@pytest.mark.parametrize(
    ("refusal", "label"),
    [
        (Refusal(threshold=0.3), "red"),
        (Refusal(threshold=1.0), "unknown"),
        (Refusal(threshold=1.0, thresholds={"red": 0.3}), "red"),
        (Refusal(threshold=0.3, thresholds={"red": 1.0}), "unknown"),
        (Refusal(background="red"), "unknown"),
    ],
)
def test_an_unsure_prediction_is_unknown(classify, tmp_path, refusal, label):
    image = np.zeros((8, 4, 3), np.uint8)
    image[..., 0] = 255
    (tmp_path / "red.rgb").write_bytes(image.tobytes())
    done = classify(make_model(describe(refusal)), "--raw", "red.rgb")
    assert json.loads(done.stdout)["label"] == label


def test_repeating_and_threads_change_only_the_latency(classify, tmp_path):
    write_images(tmp_path, 1)
    model = make_model(kind="INT8")
    flags = ["--threads=2", "--repeat=100"]
    once, often = (
        json.loads(classify(model, "--raw", "--scores", *more, "0.rgb").stdout)
        for more in ([], flags)
    )
    assert once | {"latency_ms": 0} == often | {"latency_ms": 0}


def test_a_bad_image_is_reported_and_the_others_are_classified(classify, tmp_path):
    write_images(tmp_path, 1)
    (tmp_path / "small.rgb").write_bytes(b"abc")
    name = b"caf\xe9.rgb".decode(errors="surrogateescape")
    (tmp_path / "0.rgb").rename(tmp_path / name)
    done = classify(make_model(), "--raw", "missing", "small.rgb", "/dev/zero", name)
    assert done.returncode == 2
    lines = done.stderr.splitlines()
    assert lines[0] == "classify: missing: is not a file; check its name."
    assert "has 3 bytes, but the model takes 96" in lines[1]
    assert lines[2] == "classify: /dev/zero: is not a file; check its name."
    assert len(lines) == 3
    assert json.loads(done.stdout)["source"] == name


def test_without_opencv_a_photo_is_refused(classify, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"\xff\xd8\xff")
    done = classify(make_model(), "photo.jpg")
    assert done.returncode == 2
    assert "built without OpenCV; install libopencv-dev" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "Give a model and images"),
        (["--threads=0", "x"], "--threads=0: is not from 1 to 256."),
        (["--repeat=1e9", "x"], "--repeat=1e9: is not from 1 to"),
        (["--nonsense", "x"], "--nonsense: is not a flag"),
    ],
)
def test_a_bad_argument_is_refused(classify, arguments, reason):
    done = classify(make_model(), *arguments)
    assert done.returncode == 2
    assert reason in done.stderr and done.stderr.count("\n") == 1


MODEL = write_model((1, 8, 4, 3))


def change_number(after, number):
    """Returns a model with another number in its manifest, of the same length."""
    model = make_model()
    start = model.index(after) + len(after)
    end = model.index(b",", start)
    return model[:start] + number.rjust(end - start)[: end - start] + model[end:]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is not a TFLite model"),
        (b"x" * 100, "is not a TFLite model"),
        (MODEL, "has no manifest; make it with corallite convert"),
        (make_model().replace(b'"format"', b'"farmot"'), "its manifest is damaged"),
        (make_model().replace(b'"labels": [', b'"labels": {'), "manifest is damaged"),
        (change_number(b'"size_hw": [', b"9e99"), "manifest is damaged"),
        (change_number(b'"input_range": [', b"-1e99"), "manifest is damaged"),
        (make_model()[:-30], "has no manifest"),
        (make_model(classes=2), "has 2 outputs for 3 labels"),
        (
            make_model(Manifest.of_classifier("x", "1", LABELS, Preprocessing((4, 8)))),
            "its input is not the RGB image of its manifest",
        ),
    ],
)
def test_a_bad_model_is_refused(classify, content, reason):
    done = classify(content, "0.rgb")
    assert done.returncode == 2
    assert reason in done.stderr and done.stderr.count("\n") == 1
    assert "runtime error" not in done.stderr and "Sanitizer" not in done.stderr


def test_a_damaged_model_ends_in_a_sentence(classify, tmp_path):
    """The flatbuffer is cut short, and its archive is intact."""
    write_images(tmp_path, 1)
    intact = make_model()
    archive = intact[intact.index(b"PK\x03\x04") :]
    for length in range(8, len(MODEL), len(MODEL) // 7):
        done = classify(MODEL[:length] + archive, "--raw", "0.rgb")
        assert done.returncode == 2, length
        assert done.stderr.count("\n") == 1
