"""Files for compilers that only their vendor gives out, and the commands to run them.

Each has the model, calibration images in the form that the compiler reads, and a check
for the board. None of these compilers was run here.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from corallite.convert.export.hardware.float_onnx import EXTRA, PACKAGES, build_float
from corallite.convert.export.hardware.kit import (
    choose_pixels,
    make_kit,
    predict_here,
    save_array,
)
from corallite.convert.export.judge import REFUSAL_OPTIONS, judge_predictions
from corallite.convert.export.targets.target import (
    Candidate,
    Target,
    is_float,
    is_int8,
)
from corallite.device.engine.runners import litert, onnx_runtime
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

_FLOAT_FILE = "model_float.onnx"
_CALIBRATION_COUNT = 64
# Hailo recommends at least 1024 images for its fine-tuning; fewer are used if a run has
# fewer.
_HAILO_COUNT = 1024
_NORMALIZATION = (
    "normalization1 = normalization([0.0, 0.0, 0.0], [255.0, 255.0, 255.0])\n"
)


def _calibrate_ascend(pixels: np.ndarray) -> dict[str, bytes]:
    """AMCT reads a folder of raw float32 inputs, `[1, 3, height, width]` each."""
    values = (pixels.transpose(0, 3, 1, 2) / 255).astype(np.float32)
    return {f"calibration/{i:04}.bin": x.tobytes() for i, x in enumerate(values)}


def _calibrate_hailo(pixels: np.ndarray) -> dict[str, bytes]:
    """Hailo's compiler reads pixels, and adds the normalization that a script names."""
    return {
        "calibration.npy": save_array(pixels),
        "normalization.alls": _NORMALIZATION.encode(),
    }


def _export_onnx(
    name: str,
    count: int,
    calibrate: Callable[[np.ndarray], dict[str, bytes]],
    stage: Stage,
    data: ImageData,
    settings: Mapping[str, Any],
) -> Candidate:
    """Converts a Keras model to float ONNX; see `Target.export`."""
    content = build_float(stage).SerializeToString()
    runner = onnx_runtime.load(_FLOAT_FILE, content=content)
    scores = predict_here(_FLOAT_FILE, runner, stage, data)
    judged = judge_predictions(scores, f"exports/{name}", stage, data, settings)
    pixels, images = choose_pixels(data, count), data.judging.images_rgb_u8
    kit = make_kit(name, judged.manifest, images, scores, calibration=len(pixels))
    return Candidate(
        {_FLOAT_FILE: content, **kit, **calibrate(pixels)},
        judged.labels,
        record=judged.record,
    )


def _export_torq(
    stage: Stage, data: ImageData, settings: Mapping[str, Any]
) -> Candidate:
    """Adds the kit to the int8 file, which is quantized already."""
    path = stage.model_path
    scores = predict_here(path.name, litert.load(path), stage, data)
    judged = judge_predictions(scores, "exports/torq", stage, data, settings)
    kit = make_kit("torq", judged.manifest, data.judging.images_rgb_u8, scores)
    return Candidate({path.name: path.read_bytes(), **kit}, record=judged.record)


TARGETS = (
    Target(
        "ascend",
        "float ONNX, calibration images and commands for Huawei's Ascend (atc)",
        accepts=is_float,
        export=partial(_export_onnx, "ascend", _CALIBRATION_COUNT, _calibrate_ascend),
        verified="the ONNX file in ONNX Runtime; not on an Ascend",
        options=REFUSAL_OPTIONS,
        extra=EXTRA,
        packages=(*PACKAGES, "onnxruntime"),
    ),
    Target(
        "hailo",
        "float ONNX, calibration images and commands for Hailo-8, -8L and -10H",
        accepts=is_float,
        export=partial(_export_onnx, "hailo", _HAILO_COUNT, _calibrate_hailo),
        verified="the ONNX file in ONNX Runtime; not on a Hailo",
        options=REFUSAL_OPTIONS,
        extra=EXTRA,
        packages=(*PACKAGES, "onnxruntime"),
    ),
    Target(
        "torq",
        "the int8 file and commands for Synaptics' Torq NPU (SL2610, with Coral NPU)",
        accepts=is_int8,
        export=_export_torq,
        verified="the int8 file in LiteRT; not on a Torq NPU",
        options=REFUSAL_OPTIONS,
    ),
)
