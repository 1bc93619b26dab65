"""`packerOut.zip` for the IMX500, the sensor of the Raspberry Pi AI Camera.

Sony's Model Compression Toolkit (MCT) quantizes the Keras model, with ranges of its
own, and imx500-converter compiles it; the last step, `imx500-package`, exists only on a
Raspberry Pi. They need Java, and TensorFlow 2.15, so that they run in an environment of
their own.
"""

import contextlib
import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from corallite.convert.export import environment
from corallite.convert.export.environment_list import ENVIRONMENTS
from corallite.convert.export.hardware.kit import choose_pixels, make_kit
from corallite.convert.export.judge import REFUSAL_OPTIONS, judge_predictions
from corallite.convert.export.targets.target import Candidate, Target, is_float
from corallite.device.system.errors import RequestError
from corallite.device.system.process.limited_process import run_limited
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

_NAME = "imx500"
_FILE = "packerOut.zip"
# Keys of the converter's report.
_USED, _AVAILABLE = "Memory Usage", "Total Memory Available On Chip"
# MCT takes a second or two for each image of 224 pixels.
_CALIBRATION_COUNT = 60
# Of MCT, and of the converter, which is a program in Java.
_QUANTIZE_TIMEOUT_S, _COMPILE_TIMEOUT_S = 3600.0, 7200.0
_LEAST_JAVA = 17
_JAVA_TIMEOUT_S = 60.0
# TensorFlow 2.15 has the Keras that they need; this package asks for another.
_OWN_KERAS = """
import os
os.environ.pop("TF_USE_LEGACY_KERAS", None)
"""
_QUANTIZE = """
import json, pathlib, sys
import h5py, numpy
import tensorflow as tf
import model_compression_toolkit as mct
from edgemdt_tpc import get_target_platform_capabilities
path, folder = sys.argv[1], pathlib.Path(sys.argv[2])
with h5py.File(path) as file:
    config = json.loads(file.attrs["model_config"])
for layer in config["config"]["layers"]:
    layer["config"].pop("optional", None)  # Keras 2.15 does not know it.
model = tf.keras.models.model_from_json(json.dumps(config))
model.load_weights(path)
def as_input(pixels):
    return pixels.astype(numpy.float32) / numpy.float32(255)
def calibrate():
    for pixels in numpy.load(folder / "calibration.npy"):
        yield [as_input(pixels[numpy.newaxis])]
quantized, _ = mct.ptq.keras_post_training_quantization(
    model, calibrate,
    target_platform_capabilities=get_target_platform_capabilities("1.0", "imx500"))
quantized.save(folder / "model.keras")
images = numpy.load(folder / "images.npy")
parts = [images[i:i + 8] for i in range(0, len(images), 8)]
scores = [quantized(as_input(part)).numpy() for part in parts]
numpy.save(folder / "scores.npy", numpy.concatenate(scores).astype(numpy.float32))
"""


_COMPILE = """
import sys
from imx500_converter.main_tf import main
sys.exit(main())
"""


def export(stage: Stage, data: ImageData, settings: Mapping[str, Any]) -> Candidate:
    """Quantizes and compiles a Keras model; see `Target.export`.

    Raises:
        RequestError: Java is missing, the tools cannot be installed, or they do not
            take the model.
    """
    _require_java()
    _require_plain_layers(stage.model_path)
    content, scores, memory = _compile(stage, data)
    judged = judge_predictions(scores, f"exports/{_NAME}", stage, data, settings)
    kit = make_kit(_NAME, judged.manifest, data.judging.images_rgb_u8, scores)
    used, available = (memory[x] for x in (_USED, _AVAILABLE))
    record = {
        **judged.record,
        "with": ENVIRONMENTS[_NAME].requirements[0],
        "notes": [f"Memory of the sensor: {used} of {available}."],
    }
    return Candidate({_FILE: content, **kit}, judged.labels, record=record)


def _require_java() -> None:
    remedy = (
        f"--to={_NAME} needs Java {_LEAST_JAVA} or later for imx500-converter; install "
        "it, for example: sudo apt install default-jre-headless."
    )
    with tempfile.TemporaryDirectory() as place:
        ended = run_limited(
            ("java", "-version"),
            folder=Path(place),
            timeout_s=_JAVA_TIMEOUT_S,
            remedy=remedy,
        )
    version = re.search(r'version "(\d+)', ended.text)
    if version is not None and int(version[1]) < _LEAST_JAVA:
        raise RequestError(f"Java {version[1]} is too old. {remedy}")


def _require_plain_layers(path: Path) -> None:
    """Raises `RequestError` if the model has layers of this package.

    They do not exist in the tools' environment, and the sensor's compiler knows only
    layers of Keras.
    """
    with h5py.File(path) as file:
        text = str(file.attrs["model_config"])
    if "corallite>" in text:
        raise RequestError(
            f"{path}: has layers that the tools of the IMX500 do not take; train a "
            "network of plain layers: --model=efficientnet_lite0 or mobilenet_v2."
        )


def _compile(stage: Stage, data: ImageData) -> tuple[bytes, np.ndarray, dict[str, Any]]:
    """Returns `packerOut.zip`, the predictions for the judging images, and its memory.

    Raises:
        RequestError: One of the tools fails, or the network is too large.
    """
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        np.save(folder / "calibration.npy", choose_pixels(data, _CALIBRATION_COUNT))
        np.save(folder / "images.npy", data.judging.images_rgb_u8)
        path = stage.model_path.absolute()
        quantize = ("-c", _OWN_KERAS + _QUANTIZE, str(path), str(folder))
        environment.run(_NAME, quantize, timeout_s=_QUANTIZE_TIMEOUT_S)
        paths = ("-i", str(folder / "model.keras"), "-o", str(folder / "compiled"))
        compile_it = ("-c", _OWN_KERAS + _COMPILE, *paths)
        environment.run(_NAME, compile_it, timeout_s=_COMPILE_TIMEOUT_S)
        memory = _read_memory(folder / "compiled" / "model_MemoryReport.json")
        made = folder / "compiled" / _FILE
        if not made.exists() or not memory["Fit In Chip"]:
            raise RequestError(
                f"{path}: imx500-converter made no file that fits the sensor (memory: "
                f"{memory[_USED]} of {memory[_AVAILABLE]}); train a smaller network, "
                "for example with a smaller --width or --image_size."
            )
        return made.read_bytes(), np.load(folder / "scores.npy"), memory


def _read_memory(path: Path) -> dict[str, Any]:
    """Returns the converter's report; "unknown" for what it does not say."""
    found: dict[str, Any] = {_USED: "unknown", _AVAILABLE: "unknown"}
    with contextlib.suppress(OSError, ValueError, KeyError):
        found |= json.loads(path.read_text("utf-8"))["Memory Report"]
    return {"Fit In Chip": True, **found}


TARGETS = (
    Target(
        _NAME,
        "the Raspberry Pi AI Camera, by MCT and imx500-converter, which are installed "
        "into an environment of their own (2.4 GB, once); needs Java",
        accepts=is_float,
        export=export,
        verified="imx500-converter 3.18.2 on x86-64; no camera",
        options=REFUSAL_OPTIONS,
    ),
)
