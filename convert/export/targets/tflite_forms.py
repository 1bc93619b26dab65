"""TFLite in TensorFlow's own forms, each with a manifest inside."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from corallite.convert.export.judge import REFUSAL_OPTIONS, judge
from corallite.convert.export.targets.target import Candidate, Target, is_float
from corallite.convert.tflite import converter
from corallite.convert.tflite.compact import compact
from corallite.convert.tflite.queries import count_operators
from corallite.device.engine.runners import litert
from corallite.device.model.write import attach_manifest
from corallite.optimize.calibrate.choose_images import (
    DEFAULT_COUNT,
    choose_checked_images,
)
from corallite.optimize.keras_graph.load import load_model
from corallite.train.data.load import ImageData
from corallite.train.runs.stage import Stage

_PREFIX = "tflite_"
_CALIBRATION = "calibration_count"


def _make(form: str, summary: str, **options: Any) -> Target:
    def export(stage: Stage, data: ImageData, settings: Mapping[str, Any]) -> Candidate:
        return _export(form, stage, data, settings)

    return Target(
        f"{_PREFIX}{form}",
        summary,
        accepts=is_float,
        export=export,
        verified="LiteRT on x86-64",
        runner="litert",
        options={**options, **REFUSAL_OPTIONS},
    )


def _export(
    form: str, stage: Stage, data: ImageData, settings: Mapping[str, Any]
) -> Candidate:
    """Converts a stage to one form; see `Target.export`."""
    model = load_model(stage.model_path)
    if form == "float":
        content = converter.convert_to_float(model)
    else:
        images: Sequence[np.ndarray] = ()
        if _CALIBRATION in settings:
            count = settings[_CALIBRATION]
            images = list(choose_checked_images(data.splits["train"], count))
        content = converter.convert_to_form(model, form, images)
    name = f"model_{form}.tflite"
    judged = judge(
        litert.load(name, content=content),
        f"exports/{_PREFIX}{form}",
        stage,
        data,
        settings,
    )
    return Candidate(
        {name: compact(attach_manifest(content, judged.manifest))},
        judged.labels,
        record={**judged.record, "operators": dict(count_operators(content))},
    )


TARGETS = (
    _make(
        "int8",
        "full-int8 TFLite by TensorFlow's own quantization, for networks with layers "
        "that --to=int8 refuses",
        **{_CALIBRATION: DEFAULT_COUNT},
    ),
    _make("float", "TFLite in float32"),
    _make("float16", "TFLite with float16 weights, of half the size"),
    _make("dynamic", "TFLite with int8 weights; the rest is float32"),
    _make(
        "int16x8",
        "TFLite with int8 weights and int16 activations",
        **{_CALIBRATION: DEFAULT_COUNT},
    ),
)
