"""Measures the loss of accuracy of each step, from a run's first stage to a file."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np

from corallite.convert.accuracy.comparison import AccuracyComparison
from corallite.convert.accuracy.layer_error import measure_layers
from corallite.convert.accuracy.paired import compare_predictions
from corallite.convert.evaluate.keras_model import predict_labels
from corallite.convert.evaluate.predict_file import predict_labels_by_file
from corallite.optimize.calibrate.choose_images import choose_images
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.quantize.add_quantizers import fold
from corallite.train.data.load import ImageData, Split
from corallite.train.framework.keras import keras
from corallite.train.runs.stage import Stage
from corallite.train.training.predictions import summarize_labels

# The errors are means over thousands of values an image: on 64 and 600 images of
# Fashion-MNIST, the median layer's differed by 2 % and the five worst were the same.
LAYER_IMAGES = 128

# The name of a model, and the labels that it predicts, int `[n]`.
Labels = tuple[str, np.ndarray]


def predict_stages(stages: Sequence[Stage], split: Split) -> list[Labels]:
    """Returns the labels that each stage predicts."""
    return [(stage.name, _predict(stage, split)) for stage in stages]


def compare_models(
    chain: Sequence[Labels],
    data: ImageData,
    method: str,
    granularity: str = "channel",
    sha256: str = "",
) -> AccuracyComparison:
    """Compares each model of a chain with the next, and the first with the last.

    Args:
        chain: The models, the last one made from the first.
        data: The images; the whole validation split was used.
        method: How the last model was quantized, see `AccuracyComparison`.
        granularity: Of the scales of its convolutions.
        sha256: Hash of its file.
    """
    split = data.judging
    steps = [
        compare_predictions((before[0], after[0]), before[1], after[1], split.labels)
        for before, after in [*itertools.pairwise(chain), (chain[0], chain[-1])]
    ]
    return AccuracyComparison(
        part="val",
        images=len(split.labels),
        method=method,
        granularity=granularity,
        max_drop=0.0,
        steps=steps[:-1],
        overall=steps[-1],
        layer_images=0,
        layers=[],
        file_sha256=sha256,
        predictions={
            name: summarize_labels(labels, split, data.class_names)
            for name, labels in chain
        },
        is_trained_on=data.is_val_shared,
    ).with_limit(None)


def compare_layers(
    quantized: keras.Model, split: Split, lineage: Sequence[Stage]
) -> dict[str, Any]:
    """Returns the fields of a comparison with the error of each layer.

    Args:
        quantized: The Keras graph with quantizers that a file was made from.
        split: The whole validation split.
        lineage: The stages that it was made from, the first one first.
    """
    images = choose_images(split, LAYER_IMAGES)
    # Else there is nothing that pruning or training may have changed.
    since = _since_channels(lineage)
    origin = fold(load_model(since[0].model_path)) if len(since) > 1 else None
    layers = measure_layers(quantized, images, origin)
    return {"layers": layers, "layer_images": len(images)}


def _since_channels(lineage: Sequence[Stage]) -> Sequence[Stage]:
    """Returns the stages whose layers have the same channels as those of the last."""
    names = [stage.name for stage in lineage]
    return lineage[names.index("slim") :] if "slim" in names else lineage


def _predict(stage: Stage, split: Split) -> np.ndarray:
    if stage.kind.is_keras:
        return predict_labels(load_model(stage.model_path), split)
    return predict_labels_by_file(stage.model_path, split)
