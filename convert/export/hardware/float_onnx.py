"""The float ONNX file that compilers of vendors take, and quantize by themselves."""

from typing import Any

from corallite.convert.export.targets import onnx
from corallite.convert.onnx.choices import DEFAULT_OPSET, NCHW
from corallite.convert.tflite import converter
from corallite.optimize.keras_graph.load import load_model
from corallite.train.runs.stage import Stage

# The extra that `onnx.build` needs, and its modules.
EXTRA, PACKAGES = "onnx", ("tf2onnx", "onnx")


def build_float(stage: Stage) -> Any:
    """Returns the `onnx.ModelProto` of a stage: pixel/255 in, `[1, 3, height, width]`.

    Raises:
        RequestError: tf2onnx does not take the model.
    """
    content = converter.convert_to_float(load_model(stage.model_path))
    return onnx.build(content, {"layout": NCHW, "opset": DEFAULT_OPSET})
