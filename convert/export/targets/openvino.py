"""OpenVINO's files: float, int8 by NNCF, and int8 straight from the int8 file.

OpenVINO reads `.tflite` files. NNCF measures ranges anew, on the images that the int8
file was calibrated with; straight from the int8 file, those of quantization-aware
training are kept.
"""

import contextlib
import importlib
import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from corallite.convert.export.judge import REFUSAL_OPTIONS, judge
from corallite.convert.export.targets.target import (
    Candidate,
    Export,
    Target,
    is_float,
    is_int8,
    is_keras,
    reporting,
)
from corallite.convert.tflite import converter
from corallite.convert.tflite.compact import restore_names
from corallite.device.engine.runners import litert, openvino_runtime
from corallite.device.model.manifest import Manifest
from corallite.device.system.errors import RequestError
from corallite.device.system.native_log import withholding_native_log
from corallite.optimize.calibrate.choose_images import (
    DEFAULT_COUNT,
    choose_checked_images,
)
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.quantize.strip_quantizers import strip_quantizers
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

_CALIBRATION = "calibration_count"
_FLOAT, _NNCF, _TFLITE = "openvino", "openvino_int8", "openvino_tflite"


def _export_float(
    stage: Stage, data: ImageData, settings: Mapping[str, Any]
) -> Candidate:
    """Converts a Keras model; see `Target.export`."""
    return _finish(_FLOAT, _read_float(stage), stage, data, settings)


def _export_nncf(
    stage: Stage, data: ImageData, settings: Mapping[str, Any]
) -> Candidate:
    """Quantizes a Keras model with NNCF; see `Target.export`.

    NNCF has quantizers of its own. Weights that were trained with ours lose less with
    these too.
    """
    nncf = importlib.import_module("nncf")
    images = choose_checked_images(data.splits["train"], settings[_CALIBRATION])
    dataset = nncf.Dataset(list(images[:, np.newaxis]))
    # Weights of seven bits in all layers: on x86 CPUs without VNNI, the sums of two
    # products overflow otherwise.
    parameters = nncf.AdvancedQuantizationParameters(
        overflow_fix=nncf.OverflowFix.ENABLE
    )
    # It draws its progress on stdout.
    shown = contextlib.redirect_stdout(None)
    with reporting("NNCF"), shown, withholding_native_log():
        model = nncf.quantize(
            _read_float(stage),
            dataset,
            subset_size=len(images),
            advanced_parameters=parameters,
        )
    return _finish(_NNCF, model, stage, data, settings)


def _export_tflite(
    stage: Stage, data: ImageData, settings: Mapping[str, Any]
) -> Candidate:
    """Converts the int8 file; see `Target.export`."""
    content = restore_names(stage.model_path.read_bytes())
    (output,) = litert.load(stage.model_path, content=content).signature.outputs
    model = _scale_output(_read(content), output.scale, output.zero_point)
    model.set_rt_info("yes", openvino_runtime.NEEDS_VNNI_PLACE)
    return _finish(_TFLITE, model, stage, data, settings)


def _read_float(stage: Stage) -> Any:
    model = load_model(stage.model_path)
    if stage.kind.is_quantized:
        model = strip_quantizers(model)
    return _read(converter.convert_to_float(model))


def _read(content: bytes) -> Any:
    """Returns the `openvino.Model` of a `.tflite` file.

    Raises:
        RequestError: It has an operator that OpenVINO does not know.
    """
    openvino = importlib.import_module("openvino")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        path.write_bytes(content)
        try:
            return openvino.Core().read_model(path)
        except RuntimeError as error:
            reason = openvino_runtime.explain(error)
            raise RequestError(
                f"OpenVINO does not take the model ({reason}); replace that layer, or "
                "choose another target."
            ) from error


def _scale_output(model: Any, scale: float, zero_point: int) -> Any:
    """Returns a model whose stored numbers are probabilities, float32."""
    openvino = importlib.import_module("openvino")
    operators = importlib.import_module("openvino.opset13")

    def to_probabilities(stored: Any) -> Any:
        values = operators.convert(stored, "f32")
        shifted = operators.subtract(values, np.float32(zero_point))
        return operators.multiply(shifted, np.float32(scale)).output(0)

    steps = openvino.preprocess.PrePostProcessor(model)
    steps.output().postprocess().custom(to_probabilities)
    return steps.build()


def _finish(
    name: str, model: Any, stage: Stage, data: ImageData, settings: Mapping[str, Any]
) -> Candidate:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        _save(model, path)
        runner = openvino_runtime.load(path)
        judged = judge(runner, f"exports/{name}", stage, data, settings)
        _save(model, path, judged.manifest)
        files = {x: (path.parent / x).read_bytes() for x in ("model.xml", "model.bin")}
    return Candidate(files, judged.labels, record=judged.record)


def _save(model: Any, path: Path, manifest: Manifest | None = None) -> None:
    if manifest is not None:
        text = json.dumps(manifest.to_json())
        model.set_rt_info(text, openvino_runtime.MANIFEST_PLACE)
    openvino = importlib.import_module("openvino")
    with reporting("OpenVINO"):
        openvino.save_model(model, path, compress_to_fp16=False)


def _make(
    export: Export, name: str, summary: str, *packages: str, **fields: Any
) -> Target:
    return Target(
        name,
        summary,
        export=export,
        verified="OpenVINO on x86-64",
        runner="openvino_runtime",
        extra="openvino",
        packages=("openvino", *packages),
        **fields,
    )


TARGETS = (
    _make(
        _export_float,
        _FLOAT,
        "OpenVINO in float32",
        accepts=is_float,
        options=REFUSAL_OPTIONS,
    ),
    _make(
        _export_nncf,
        _NNCF,
        "OpenVINO in int8, quantized by NNCF",
        "nncf",
        accepts=is_keras,
        options={_CALIBRATION: DEFAULT_COUNT, **REFUSAL_OPTIONS},
    ),
    _make(
        _export_tflite,
        _TFLITE,
        "OpenVINO in int8, with the ranges of the int8 file",
        accepts=is_int8,
        options=REFUSAL_OPTIONS,
    ),
)
