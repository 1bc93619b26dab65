"""Recipes that others use, on the photos of a cell."""

import time
from pathlib import Path
from typing import Any

import frigate
import numpy as np
from cells import SIDE, crop, read_both

from corallite.train.framework.keras import keras, tf
from corallite.train.models import registry
from corallite.train.weights.imagenet import locate_imagenet
from corallite.train.weights.pretrained import read_pretrained


def run_linear(cell: Path) -> dict[str, Any]:
    """Fits logistic regression to the features of the default network."""
    from sklearn.linear_model import LogisticRegression

    start_s = time.monotonic()
    embed = _build_base(registry.DEFAULT, is_normalized=True).predict
    (features, labels), (others, expected) = (
        (embed(images, verbose=0), labels) for images, labels in read_both(cell)
    )
    mean, deviation = features.mean(0), features.std()
    head = LogisticRegression(max_iter=1000)
    head.fit((features - mean) / deviation, labels)
    right = head.predict((others - mean) / deviation) == expected
    seconds = time.monotonic() - start_s
    return {"float": 100 * right.mean(), "minutes": seconds / 60}


def run_frozen(cell: Path) -> dict[str, Any]:
    """Trains a head as Frigate does, on images that are cropped as ours."""
    return _run_frozen(cell, crop)


def run_frigate(cell: Path) -> dict[str, Any]:
    """Does the same on images that are stretched as Frigate does."""
    return _run_frozen(cell, frigate.stretch)


def _run_frozen(cell: Path, fit: Any) -> dict[str, Any]:
    start_s = time.monotonic()
    (images, labels), (others, expected) = read_both(cell, fit)
    keras.utils.set_random_seed(0)
    base = _build_base("mobilenet_v2", is_normalized=False)
    kept = np.random.default_rng(0).permutation(len(labels))[: int(0.8 * len(labels))]
    head = keras.Sequential(
        [
            keras.layers.Input(base.output_shape[1:]),
            keras.layers.Dense(128, "relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(labels.max() + 1, "softmax"),
        ]
    )
    head.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    features = base.predict(images[kept], verbose=0)
    head.fit(features, labels[kept], batch_size=16, epochs=50, verbose=0)
    predicted = head.predict(base.predict(others, verbose=0), verbose=0)
    model = keras.Model(base.input, head(base.output))
    content = _convert(model, images[kept][:300])
    int8 = frigate.predict(content, np.round(others * 255).astype(np.uint8))
    seconds = time.monotonic() - start_s
    return {
        "float": 100 * (predicted.argmax(1) == expected).mean(),
        "int8": 100 * (int8 == expected).mean(),
        "minutes": seconds / 60,
    }


def _convert(model: keras.Model, calibration: np.ndarray) -> bytes:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    content: bytes = converter.convert()
    return content


def _build_base(model: str, *, is_normalized: bool) -> keras.Model:
    """Returns a network with ImageNet weights up to its features."""
    pretrained = read_pretrained(locate_imagenet(model, 1.0), model, 1.0)
    network = registry.build(
        model,
        (SIDE, SIDE, 3),
        pretrained.num_classes or 1000,
        width=1.0,
        conventions=pretrained.conventions,
    )
    pretrained.give_to(network)
    if not is_normalized:
        layer = network.get_layer("normalize")
        layer.set_weights([np.ones((1, 1, 3, 1)), np.zeros(3)])
    return keras.Model(network.input, network.get_layer("pool").output)
