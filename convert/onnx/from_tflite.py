"""Converts TFLite files to ONNX with tf2onnx.

Float and int8 models take the same way, so that an int8 model keeps the ranges and the
weights of its file.
"""

import tempfile
import warnings
from pathlib import Path

import onnx

from corallite.convert.onnx.choices import (
    DEFAULT_OPSET,
    LAYOUTS,
    NCHW,
    NHWC,
    OPSETS,
)
from corallite.convert.tflite.compact import restore_names
from corallite.convert.tflite.converter import without_log
from corallite.device.engine.runtime import first_line
from corallite.device.system.errors import RequestError
from corallite.device.system.text import cut

IMAGE, PROBABILITIES = "image", "probabilities"
_MOST_DETAIL = 200


def convert(
    content: bytes, layout: str = NHWC, opset: int = DEFAULT_OPSET
) -> onnx.ModelProto:
    """Returns the ONNX model of a classifier.

    Args:
        content: Content of a `.tflite` file with one input and one output.
        layout: "nhwc": the input is `[1, height, width, 3]`; "nchw": it is
            `[1, 3, height, width]`.
        opset: Version of ONNX's operators, one of `OPSETS`.

    Returns:
        A model that passes ONNX's checker, with the input "image" and the output
        "probabilities" of the file's types. Tensors of integers are between
        QuantizeLinear and DequantizeLinear.

    Raises:
        RequestError: It has an operator that tf2onnx does not know, or the layout or
            the opset is not known.
    """
    if layout not in LAYOUTS or opset not in OPSETS:
        raise RequestError(
            f"Expected --layout to be one of {', '.join(LAYOUTS)} and --opset from "
            f"{OPSETS[0]} to {OPSETS[-1]}, got {layout} and {opset}."
        )
    try:
        model = _convert(restore_names(content), layout, opset)
        _rename(model, model.graph.input[0].name, IMAGE)
        _rename(model, model.graph.output[0].name, PROBABILITIES)
        check(model)
    except Exception as error:  # tf2onnx and the checker raise errors of any kind.
        raise RequestError(
            f"The model cannot be written as ONNX of opset {opset} "
            f"({cut(first_line(error), _MOST_DETAIL)}); another --opset may know its "
            "operators."
        ) from error
    return model


def check(model: onnx.ModelProto) -> None:
    """Raises `onnx.checker.ValidationError` if a model is not valid ONNX."""
    onnx.checker.check_model(model, full_check=True)


def _convert(content: bytes, layout: str, opset: int) -> onnx.ModelProto:
    """Runs tf2onnx without its log."""
    # Not at the top: it imports TensorFlow, which has to be ours before.
    import tf2onnx

    names = _name_inputs(content) if layout == NCHW else None
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # It uses TensorFlow's interpreter, which asks to use another.
        warnings.simplefilter("ignore")
        path = Path(folder) / "model.tflite"
        path.write_bytes(content)
        with without_log():
            model, _ = tf2onnx.convert.from_tflite(
                str(path), opset=opset, inputs_as_nchw=names
            )
    return model


def _name_inputs(content: bytes) -> list[str]:
    from corallite.device.engine.runners import litert

    signature = litert.load("model", content=content).signature
    return [x.name for x in signature.inputs]


def _rename(model: onnx.ModelProto, former: str, name: str) -> None:
    """Renames a tensor wherever it is used."""
    for node in model.graph.node:
        for side in (node.input, node.output):
            for index, used in enumerate(side):
                if used == former:
                    side[index] = name
    graph = model.graph
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.name == former:
            value.name = name
