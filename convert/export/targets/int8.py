"""Full-int8 TFLite with a manifest inside: the file for the device."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from corallite.convert.export.judge import REFUSAL_OPTIONS, judge
from corallite.convert.export.judge_boxes import judge_boxes
from corallite.convert.export.targets.target import Candidate, Target, is_keras
from corallite.convert.tflite import converter
from corallite.convert.tflite.compact import compact
from corallite.convert.tflite.queries import count_operators
from corallite.device.engine.runners import litert
from corallite.device.learn.head import CrossValidation
from corallite.device.model.write import attach_manifest
from corallite.optimize.calibrate.choose_images import (
    DEFAULT_COUNT,
    choose_checked_images,
)
from corallite.optimize.calibrate.measure_ranges import measure_ranges
from corallite.optimize.keras_graph.layer_quantization import PREFIX
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.quantize.add_quantizers import add_quantizers
from corallite.optimize.quantize.bias_correction import correct_biases
from corallite.train.data.load import ImageData
from corallite.train.framework.keras import keras
from corallite.train.runs.kinds import KINDS
from corallite.train.runs.stage import Stage
from corallite.train.training.head import fit_head

_KIND = KINDS["int8"]
INT8_FILE = _KIND.artifact


def export(stage: Stage, data: ImageData, settings: Mapping[str, Any]) -> Candidate:
    """Quantizes a stage and converts it; see `Target.export`.

    Args:
        stage: A stage with a Keras model.
        data: The run's images.
        settings: "method", "granularity", "calibration_count", and `REFUSAL_OPTIONS`.

    Raises:
        RequestError: A layer of the model cannot be quantized.
    """
    images = choose_checked_images(data.splits["train"], settings["calibration_count"])
    model = load_model(stage.model_path)
    validation = None
    if data.is_val_shared and stage == stage.run.first():
        validation = _refit_head(model, stage, settings, data, images)
    quantized, calibration = _quantize(model, stage, settings, images)
    content = converter.convert_to_int8(quantized, images)
    runner = litert.load(INT8_FILE, content=content)
    made = {"operators": dict(count_operators(content)), "calibration": calibration}
    if data.boxes is not None:
        of_boxes = judge_boxes(runner, _KIND.name, stage, data)
        return Candidate(
            {INT8_FILE: compact(attach_manifest(content, of_boxes.manifest))},
            quantized=quantized,
            record={**of_boxes.record, **made},
            predicted=of_boxes.predicted,
        )
    judged = judge(runner, _KIND.name, stage, data, settings, validation)
    return Candidate(
        {INT8_FILE: compact(attach_manifest(content, judged.manifest))},
        judged.labels,
        quantized,
        {**judged.record, **made},
    )


def _refit_head(
    model: keras.Model,
    stage: Stage,
    settings: Mapping[str, Any],
    data: ImageData,
    images: np.ndarray,
) -> CrossValidation | None:
    """Fits the head of a network of which nothing else was trained to int8 features.

    The threshold is fitted to what is held out here, so it is that of int8.
    Top-1 is the same within chance (docs/results.md).
    """
    quantized, _ = _quantize(model, stage, settings, images)
    recipe = stage.run.recall(lambda x: x["network"]["recipe"])
    reader = quantized.get_layer(f"{PREFIX}logits")
    return fit_head(
        model,
        data.splits["train"],
        is_balanced=recipe["balance_classes"],
        embed=keras.Model(quantized.input, reader.input),
    )


def _quantize(
    model: keras.Model, stage: Stage, settings: Mapping[str, Any], images: np.ndarray
) -> tuple[keras.Model, dict[str, Any] | None]:
    """Returns the model with quantizers, and the measurement of their ranges."""
    if stage.kind.is_quantized:
        return model, None
    quantized = add_quantizers(model, granularity=settings["granularity"])
    measurement = measure_ranges(quantized, images)
    if settings["method"] == "ptq_corrected":
        correct_biases(quantized, images)
    return quantized, dataclasses.asdict(measurement)


TARGETS = (
    Target(
        _KIND.name,
        "full-int8 TFLite, the file for the device",
        accepts=is_keras,
        export=export,
        verified="LiteRT on x86-64 and emulated arm64",
        runner="litert",
        methods=(
            "ptq",
            "ptq_corrected",
            *(x.name for x in KINDS.values() if x.is_quantized),
        ),
        options={
            "granularity": None,
            "calibration_count": DEFAULT_COUNT,
            **REFUSAL_OPTIONS,
        },
        takes_boxes=True,
    ),
)
