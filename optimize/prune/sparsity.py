"""Measures the fraction of zero weights in kernels; biases are never pruned."""

import dataclasses

import numpy as np

from corallite.train.framework.keras import keras


@dataclasses.dataclass(frozen=True)
class Sparsity:
    """Zero fractions, 0 to 1: of each layer's kernel, and of all kernels together."""

    layers: dict[str, float]
    overall: float


def measure_sparsity(model: keras.Model) -> Sparsity:
    """Returns the zero fraction of every kernel of a float or quantized model."""
    kernels = {
        layer.name: kernel.numpy()
        for layer in model.layers
        for kernel in kernels_of(layer)
    }
    zeros = {name: int(np.sum(kernel == 0)) for name, kernel in kernels.items()}
    total = sum(kernel.size for kernel in kernels.values())
    return Sparsity(
        layers={name: zeros[name] / kernels[name].size for name in kernels},
        overall=sum(zeros.values()) / total,
    )


def kernels_of(layer: keras.layers.Layer) -> list:
    """Returns the kernel variables of a layer: none or one."""
    return [w for w in layer.weights if w.name.split(":")[0].endswith("kernel")]
