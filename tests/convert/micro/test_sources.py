"""The C++ sources of a model; the example runs with a stand-in of the library."""

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from fixtures.small_models import write_model

from corallite.convert.micro.arena import Arena
from corallite.convert.micro.operators import list_methods
from corallite.convert.micro.sources import write_sources
from corallite.convert.tflite.reader import decode
from corallite.device.image.spec import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.model.refusal import Refusal
from corallite.device.system.errors import RequestError

STAND_IN = Path(__file__).parents[2] / "fixtures" / "tflm_stand_in"
LABELS = ('tabby "cat"', "chat é", "none")
REFUSAL = Refusal(0.7, 0.6, {"chat é": 0.9}, "none")
MANIFEST = Manifest.of_classifier(
    "tiny", "of\nmay\\", LABELS, Preprocessing((4, 4), "pad")
).with_classes(refusal=REFUSAL)
ARENA = Arena(112, 1312, 2048)
FLAGS = ("-std=c++17", "-Wall", "-Wextra", "-Wpedantic", "-Werror")

needs_compiler = pytest.mark.skipif(
    shutil.which("g++") is None, reason="g++ is not installed"
)


def make(content, manifest=MANIFEST):
    methods = list_methods(decode(content), "m.tflite")
    made = write_sources(content, manifest, ARENA, methods, "m.tflite")
    return {name: text.decode("ascii") for name, text in made.items()}


def read_constants(header):
    return dict(re.findall(r"constexpr \S+ (k\w+) = (\S+);", header))


@pytest.fixture
def content():
    return write_model(kind="INT8")


def test_the_array_is_the_file(content):
    made = make(content)
    assert list(made) == ["model_data.cc", "model_data.h", "op_resolver.h", "main.cc"]
    array = made["model_data.cc"].partition("kModelData[] = {")[2].partition("}")[0]
    assert bytes(int(x) for x in array.split(",") if x.strip()) == content
    assert "alignas(16) const unsigned char kModelData[]" in made["model_data.cc"]


def test_the_header_describes_input_and_output(content):
    header = make(content)["model_data.h"]
    assert read_constants(header) == {
        "kModelBytes": str(len(content)),
        "kArenaBytes": "2048",
        "kImageHeight": "4",
        "kImageWidth": "4",
        "kImageChannels": "3",
        "kImageBytes": "48",
        "kPixelOffset": "128",
        "kLabelCount": "3",
        "kTemperature": "0.7f",
    }
    assert "// tiny, of?may/\n" in header
    assert "between black bars" in header
    assert "112 bytes for tensors and 1,312 for descriptions" in header


def test_uint8_pixels_stay_as_they_are(writer):
    x = writer.input((1, 4, 4, 3), "UINT8")
    writer.graph.tensors[x].quantization.scale = [1 / 255]
    x = writer.operator("QUANTIZE", [x], None, "INT8")
    x = writer.operator("MEAN", [x, writer.integers(1, 2)], (1, 3))
    header = make(writer.content(x))["model_data.h"]
    assert read_constants(header)["kPixelOffset"] == "0"
    assert "The input tensor is uint8" in header


def test_resolver_has_room_for_just_the_operators(content):
    text = make(content)["op_resolver.h"]
    assert "MicroMutableOpResolver<3>;" in text
    added = re.findall(r"TF_LITE_ENSURE_STATUS\(resolver\.(\w+)\(\)\);", text)
    assert added == ["AddFullyConnected", "AddMean", "AddSoftmax"]


@pytest.mark.parametrize(
    "model",
    [
        {"kind": "INT8", "scale": (1 / 200, -128)},
        {"kind": "INT8", "shape": (1, 3, 4, 4)},
    ],
)
def test_pixels_that_need_arithmetic_are_refused(model):
    with pytest.raises(RequestError, match="takes pixels neither as .*; convert it wi"):
        make(write_model(**model))


@needs_compiler
@pytest.mark.parametrize("signed", [False, True])
def test_example_names_images_as_classify_does(content, tmp_path, signed):
    for name, text in make(content).items():
        (tmp_path / name).write_text(text)
    if not signed:
        header = tmp_path / "model_data.h"
        text = header.read_text()
        header.write_text(text.replace("kPixelOffset = 128", "kPixelOffset = 0"))
    program = build(tmp_path, ["-DSIGNED"] if signed else [])
    pixels = np.zeros((4, 48), np.uint8)
    pixels[:, :3] = [[200, 30, 26], [130, 120, 6], [20, 230, 6], [0, 100, 156]]
    done = subprocess.run([program], input=pixels.tobytes(), capture_output=True)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines == [line for row in pixels[:, :3] for line in expect(row, signed)]
    labels = [x.split(" % ")[1] for x in lines[1::2]]
    assert labels == [LABELS[0], "unknown", LABELS[1], "unknown"]


def build(folder, flags):
    command = ["g++", *FLAGS, *flags, f"-I{STAND_IN}", "main.cc", "model_data.cc"]
    subprocess.run([*command, "-o", "program"], cwd=folder, check=True)
    return folder / "program"


def expect(row, signed):
    """Returns the lines that Python prints for scores."""
    scores = row.astype(int) - (128 if signed else 0)
    probabilities = REFUSAL.calibrate(row.astype(np.float32) / 256)
    best = int(probabilities.argmax())
    label, probability = LABELS[best], float(probabilities[best])
    name = label if REFUSAL.names(label, probability) else "unknown"
    yield f"scores {' '.join(map(str, scores))}"
    yield f"label {int(100 * probability + 0.5)} % {name}"
