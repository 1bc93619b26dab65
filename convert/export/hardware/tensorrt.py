"""QDQ ONNX for TensorRT, with a builder and a check that run on the GPU's machine."""

from collections.abc import Mapping
from typing import Any

from corallite.convert.export.hardware.float_onnx import EXTRA, PACKAGES
from corallite.convert.export.hardware.kit import make_kit, predict_here
from corallite.convert.export.judge import REFUSAL_OPTIONS, judge_predictions
from corallite.convert.export.targets import onnx
from corallite.convert.export.targets.target import Candidate, Target, is_int8
from corallite.convert.onnx.choices import DEFAULT_OPSET, NCHW
from corallite.device.engine.runners import onnx_runtime
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

_NAME = "tensorrt"
_FILE = "model_int8.onnx"


def export(stage: Stage, data: ImageData, settings: Mapping[str, Any]) -> Candidate:
    """Converts the int8 file; see `Target.export`.

    TensorRT has zero points of 0 only, and float biases. Its results are expected to be
    those of ONNX Runtime.
    """
    choices = {"layout": NCHW, "opset": DEFAULT_OPSET, "symmetric": True}
    model = onnx.build(stage.model_path.read_bytes(), choices)
    content = model.SerializeToString()
    runner = onnx_runtime.load(_FILE, content=content)
    scores = predict_here(_FILE, runner, stage, data)
    judged = judge_predictions(scores, f"exports/{_NAME}", stage, data, settings)
    kit = make_kit(_NAME, judged.manifest, data.judging.images_rgb_u8, scores)
    return Candidate({_FILE: content, **kit}, judged.labels, record=judged.record)


TARGETS = (
    Target(
        _NAME,
        "QDQ ONNX for TensorRT 10 and 11 (Jetson), with a builder and a check",
        accepts=is_int8,
        export=export,
        verified="ONNX Runtime on x86-64; not in TensorRT",
        options=REFUSAL_OPTIONS,
        extra=EXTRA,
        packages=(*PACKAGES, "onnxruntime"),
    ),
)
