"""Measures what each layer of a network loses if it is quantized or pruned alone.

Quantized: the kernel has int8 with a scale for each output channel, and the output of
the layer (or of the ReLU that follows) 256 steps; all other layers are float, batch
norms folded. Pruned: no layer reads the least important quarter of the layer's output
channels; where layers are added, those that share the channels lose them too.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from corallite.convert.accuracy.sensitivity_record import (
    SENSITIVITY_FILE,
    Change,
    LayerSensitivity,
    Sensitivity,
)
from corallite.device.system import files
from corallite.optimize.calibrate.choose_images import choose_images
from corallite.optimize.keras_graph import traverse
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.quantize.add_quantizers import fold
from corallite.optimize.slim.importance import measure_importance
from corallite.optimize.slim.remove_channels import mask_weights
from corallite.optimize.slim.trace_channels import Axis, trace_channels
from corallite.train.data.load import ImageData, Split
from corallite.train.framework.keras import keras, tf
from corallite.train.runs.run import Run

# Networks before quantization, the first of which every run has.
_SOURCES = ("float", "slim", "pruned")
_MOST_IMAGES = 512
_PRUNED_SHARE = 0.25
_RANGE_IMAGES, _BATCH = 200, 64
_IMPORTANCE_BATCH = 32

# Loss and top-1.
_Score = tuple[float, float]


def record_sensitivity(run: Run, data: ImageData) -> Sensitivity:
    """Measures the last network of a run before quantization, and writes the record.

    Raises:
        RequestError: There is none, a layer's channels are not known, or another
            process is writing into the run.
    """
    stage = run.latest(*_SOURCES)
    model = load_model(stage.require())
    with run.lock("evaluate"):
        loss, top1, layers = measure_sensitivity(
            model, data.splits["train"], data.splits["val"]
        )
        count = min(_MOST_IMAGES, len(data.splits["val"].labels))
        found = Sensitivity(stage.name, stage.sha256(), count, loss, top1, layers)
        files.write_json(run.path / SENSITIVITY_FILE, found.to_json())
    return found


def measure_sensitivity(
    model: keras.Model, train: Split, val: Split
) -> tuple[float, float, list[LayerSensitivity]]:
    """Returns loss and top-1 of a network, and what each of its layers loses.

    Args:
        model: The network; its weights are the same afterwards.
        train: Images for ranges and importance.
        val: Images to measure on, at most 512 of them.
    """
    images, labels = _take(val, _MOST_IMAGES)
    before = _Judge(model, images, labels).score()
    quantized = dict(
        _quantize_each(model, choose_images(train, _RANGE_IMAGES), images, labels)
    )
    pruned = dict(_prune_each(model, train, images, labels))

    def compare(after: Mapping[str, _Score], name: str) -> Change | None:
        if name not in after:
            return None
        return Change(after[name][0] - before[0], after[name][1] - before[1])

    names = [x.name for x in model.layers if x.name in quantized or x.name in pruned]
    layers = [
        LayerSensitivity(x, compare(quantized, x), compare(pruned, x)) for x in names
    ]
    return *before, layers


class _Judge:
    """A network on labelled images, which is judged again when its weights change."""

    def __init__(self, model: keras.Model, images: np.ndarray, labels: np.ndarray):
        self._compute: Callable[[Any], Any] = tf.function(
            lambda batch: model(batch, training=False), reduce_retracing=True
        )
        self._images, self._labels = images, labels

    def score(self) -> _Score:
        """Returns cross-entropy and top-1."""
        predictions = np.concatenate(
            [
                self._compute(tf.constant(self._images[i : i + _BATCH])).numpy()
                for i in range(0, len(self._images), _BATCH)
            ]
        )
        right = predictions[np.arange(len(predictions)), self._labels]
        is_right = predictions.argmax(axis=1) == self._labels
        return float(-np.log(np.maximum(right, 1e-7)).mean()), float(is_right.mean())


class _Rounded(keras.layers.Layer):
    """A layer whose output is rounded while `is_on` is 1."""

    def __init__(self, inner: keras.layers.Layer):
        super().__init__(name=inner.name)
        self.inner = inner
        self.is_on, self.low, self.high = (
            self.add_weight(name, (), initializer=value, trainable=False)
            for name, value in (("is_on", "zeros"), ("low", "zeros"), ("high", "ones"))
        )

    def call(self, x: Any) -> Any:
        """Computes the layer, and rounds."""
        y = self.inner(x)
        rounded = tf.quantization.fake_quant_with_min_max_vars(y, self.low, self.high)
        return y + self.is_on * (rounded - y)


def _quantize_each(
    model: keras.Model, shown: np.ndarray, images: np.ndarray, labels: np.ndarray
) -> Iterator[tuple[str, _Score]]:
    """Yields each layer with a kernel, and the score with it alone in int8."""
    folded = fold(model)
    layers = [layer for layer in folded.layers if _kernel(layer) is not None]
    ends = {layer.name: _find_end(layer).name for layer in layers}
    ranges = _measure_ranges(folded, sorted(set(ends.values())), shown)

    def replace(layer: keras.layers.Layer) -> keras.layers.Layer:
        copy = traverse.copy_layer(layer)
        return _Rounded(copy) if layer.name in ranges else copy

    switched = traverse.rebuild(folded, replace)
    for name, (low, high) in ranges.items():
        switched.get_layer(name).low.assign(low)
        switched.get_layer(name).high.assign(high)
    judge = _Judge(switched, images, labels)
    for name, end in ends.items():
        kernel = _kernel(switched.get_layer(name))
        former = kernel.numpy()
        kernel.assign(_round(former))
        switched.get_layer(end).is_on.assign(1.0)
        yield name, judge.score()
        kernel.assign(former)
        switched.get_layer(end).is_on.assign(0.0)


def _prune_each(
    model: keras.Model, train: Split, images: np.ndarray, labels: np.ndarray
) -> Iterator[tuple[str, _Score]]:
    """Yields each layer whose channels can be removed, and the score without some."""
    channels = trace_channels(model)
    shown, expected = _take(train, _MOST_IMAGES)
    one_hot = np.eye(model.output_shape[-1], dtype=np.float32)[expected]
    # In an order in which each batch has several classes.
    order = np.random.default_rng(0).permutation(len(shown))
    rows = [
        order[i : i + _IMPORTANCE_BATCH]
        for i in range(0, len(order), _IMPORTANCE_BATCH)
    ]
    importance = measure_importance(
        model, channels, ((shown[x], one_hot[x]) for x in rows)
    )
    free = np.concatenate([np.zeros(0, int), *(x.atoms for x in channels.groups)])
    judge = _Judge(model, images, labels)
    for use in channels.uses:
        atoms = np.intersect1d(use.atoms, free)
        count = int(_PRUNED_SHARE * len(atoms))
        if use.axis is not Axis.OUTPUT or not count:
            continue
        kept = np.ones(channels.size, bool)
        kept[atoms[np.argsort(importance[atoms], kind="stable")[:count]]] = False
        masked = mask_weights(model, channels, kept)
        former = {name: model.get_layer(name).get_weights() for name in masked}
        _set_weights(model, masked)
        yield use.layer, judge.score()
        _set_weights(model, former)


def _take(split: Split, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns images as floats and labels, of all classes: splits are ordered by it."""
    size = len(split.labels)
    rows = np.linspace(0, size - 1, min(count, size)).astype(int)
    images = split.images_rgb_u8[rows].astype(np.float32) / np.float32(255)
    return images, np.asarray(split.labels)[rows]


def _find_end(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Returns the layer whose output is rounded: the ReLU that follows, if any."""
    reader = traverse.only_reader(layer)
    return reader if isinstance(reader, keras.layers.ReLU) else layer


def _kernel(layer: Any) -> Any:
    """Returns the variable of a layer's kernel; None if it has none."""
    layer = layer.inner if isinstance(layer, _Rounded) else layer
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        return layer.depthwise_kernel
    if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)):
        return layer.kernel
    return None


def _round(kernel: np.ndarray) -> np.ndarray:
    """Returns a kernel in 255 steps for each output channel.

    A depthwise kernel is `[height, width, channels, 1]`; others end with the channels.
    """
    is_depthwise = kernel.ndim == 4 and kernel.shape[-1] == 1
    axis = 2 if is_depthwise else kernel.ndim - 1
    others = tuple(x for x in range(kernel.ndim) if x != axis)
    scale = np.abs(kernel).max(axis=others, keepdims=True) / 127
    return np.round(kernel / np.where(scale, scale, 1)) * scale


def _measure_ranges(
    model: keras.Model, names: list[str], images: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Returns the mean of the extremes of batches of each layer's output, and 0."""
    probe = keras.Model(model.input, [model.get_layer(x).output for x in names])
    extremes = []
    for i in range(0, len(images), _BATCH):
        outputs = tf.nest.flatten(probe(images[i : i + _BATCH], training=False))
        extremes.append([(float(np.min(y)), float(np.max(y))) for y in outputs])
    means = np.mean(extremes, axis=0)
    # Rounding needs a range that is not empty.
    return {
        name: (min(0.0, low), max(1e-6, high))
        for name, (low, high) in zip(names, means.tolist(), strict=True)
    }


def _set_weights(model: keras.Model, weights: Mapping[str, list[np.ndarray]]) -> None:
    for name, values in weights.items():
        model.get_layer(name).set_weights(values)
