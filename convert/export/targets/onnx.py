"""ONNX, float and int8: for ONNX Runtime, and for all that reads such files.

The int8 model has the ranges and the weights of the int8 `.tflite` file.
"""

import json
from collections.abc import Mapping
from typing import Any

from corallite.convert.export.judge import REFUSAL_OPTIONS, judge
from corallite.convert.export.targets.target import (
    Candidate,
    Export,
    Target,
    is_float,
    is_int8,
    reporting,
)
from corallite.convert.onnx.choices import DEFAULT_OPSET, NHWC
from corallite.convert.tflite import converter
from corallite.device.engine.runners import onnx_runtime
from corallite.device.model.manifest import Manifest
from corallite.optimize.keras_graph.load import load_model
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

_OPTIONS = {"layout": NHWC, "opset": DEFAULT_OPSET, **REFUSAL_OPTIONS}


def _export_float(
    stage: Stage, data: ImageData, settings: Mapping[str, Any]
) -> Candidate:
    """Converts a Keras model; see `Target.export`."""
    content = converter.convert_to_float(load_model(stage.model_path))
    return _finish("onnx", build(content, settings), stage, data, settings)


def _export_int8(
    stage: Stage, data: ImageData, settings: Mapping[str, Any]
) -> Candidate:
    """Converts the int8 file; see `Target.export`."""
    model = build(stage.model_path.read_bytes(), settings)
    return _finish("onnx_int8", model, stage, data, settings)


def build(content: bytes, settings: Mapping[str, Any]) -> Any:
    """Returns the `onnx.ModelProto` of a `.tflite` file, with float ends.

    Args:
        content: Of a float or a full-int8 file.
        settings: "layout", "opset" and, for int8, "symmetric".

    Raises:
        RequestError: See `from_tflite.convert`.
    """
    # Not at the top: they need the extra `onnx`.
    from corallite.convert.onnx import from_tflite, quantized

    with reporting("tf2onnx"):
        model = from_tflite.convert(content, settings["layout"], settings["opset"])
    if "symmetric" not in settings:
        return model
    with reporting("ONNX"):
        quantized.use_float_ends(model)
        if settings["symmetric"]:
            quantized.make_symmetric(model)
        else:
            quantized.drop_clips(model)
            quantized.use_uint8(model)
        from_tflite.check(model)
    return model


def _finish(
    name: str, model: Any, stage: Stage, data: ImageData, settings: Mapping[str, Any]
) -> Candidate:
    file = f"model_{'int8' if name.endswith('int8') else 'float'}.onnx"
    runner = onnx_runtime.load(file, content=model.SerializeToString())
    judged = judge(runner, f"exports/{name}", stage, data, settings)
    _set_manifest(model, judged.manifest)
    content = model.SerializeToString()
    return Candidate({file: content}, judged.labels, record=judged.record)


def _set_manifest(model: Any, manifest: Manifest) -> None:
    entry = model.metadata_props.add()
    entry.key = onnx_runtime.MANIFEST_KEY
    entry.value = json.dumps(manifest.to_json())


def _make(export: Export, name: str, summary: str, **fields: Any) -> Target:
    return Target(
        name,
        summary,
        export=export,
        verified="ONNX Runtime on x86-64",
        runner="onnx_runtime",
        extra="onnx",
        packages=("tf2onnx", "onnx", "onnxruntime"),
        **fields,
    )


TARGETS = (
    _make(
        _export_float,
        "onnx",
        "ONNX in float32",
        accepts=is_float,
        options=_OPTIONS,
    ),
    _make(
        _export_int8,
        "onnx_int8",
        "ONNX in int8 (QDQ), with the ranges of the int8 file",
        accepts=is_int8,
        options={**_OPTIONS, "symmetric": False},
    ),
)
