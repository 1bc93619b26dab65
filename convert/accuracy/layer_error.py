"""Measures the error of each layer of a quantized model, without earlier errors.

The comparison runs in Keras: the model with quantizers, whose rounding the int8 file
repeats, against the float model inside it. A layer here is a layer with an output of
its own and the ReLU that follows. Each is measured twice. With the input of the float
layer, only its own error shows. In its place in the quantized model, the errors of all
layers before it are added. A broken layer has the largest error of its own; by the
second measure, the layers after it may look worse.

An error is the power of the noise over the power of the signal in each channel,
averaged over the channels. Over a whole tensor, one channel a thousand times larger
than the others would hide that all others were rounded to zero, as happens with an
outlier in a kernel or a bias. Channels below a hundredth of the median channel's power
are left out: rounding errors are always large there, and do not matter.
"""

import dataclasses
import itertools
from typing import Any

import numpy as np

from corallite.convert.accuracy.comparison import LayerError
from corallite.optimize.keras_graph import traverse
from corallite.optimize.keras_graph.layer_quantization import PREFIX, QuantizeWrapper
from corallite.optimize.keras_graph.shared_range import SharedRange
from corallite.optimize.quantize.strip_quantizers import strip_quantizers
from corallite.train.framework.keras import keras, tf

_BATCH = 16
_LEAST_POWER = 0.01


@dataclasses.dataclass
class _Unit:
    """A layer with an output of its own, and the ReLU that follows.

    Attributes:
        names: Their Keras names, without prefix.
        quantized: Their copies with quantizers, and the shared range if there is one.
        output: Its output tensor in the quantized model.
    """

    names: list[str]
    quantized: list[Any]
    output: Any


def measure_layers(
    quantized: keras.Model, images: np.ndarray, origin: keras.Model | None = None
) -> list[LayerError]:
    """Measures all layers of a quantized model, the largest own error first.

    Args:
        quantized: From `quantize`, trained or not; not changed.
        images: float32 `[n, height, width, 3]`, pixel/255.
        origin: The first float model, batch norms folded (see `fold`), if `quantized`
            was pruned or trained since.
    """
    units = _find_units(quantized)
    stripped = strip_quantizers(quantized)
    inside = _Probe(stripped, units)
    stages = keras.Model(quantized.input, [unit.output for unit in units])
    has_origin = origin is not None and _has_layers(origin, units)
    before = _Probe(origin, units) if has_origin else None

    # Layer by layer from Python takes ten times as long.
    @tf.function(reduce_retracing=True, autograph=False)
    def add_up(batch: Any) -> list[dict[str, Any]]:
        ports = zip(units, *inside.run(batch), stages(batch), strict=True)
        powers = [_compare(unit, x, signal, y) for unit, x, signal, y in ports]
        if before:
            inputs, signals = before.run(batch)
            for unit, total, x, signal in zip(
                units, powers, inputs, signals, strict=True
            ):
                total["origin"] = _power(signal)
                total["change"] = _power(_run_float(stripped, unit, x) - signal)
        return powers

    totals: list[Any] = []
    for start in range(0, len(images), _BATCH):
        powers = tf.nest.map_structure(
            lambda x: x.numpy().astype(np.float64),
            add_up(images[start : start + _BATCH]),
        )
        totals = tf.nest.map_structure(np.add, totals, powers) if totals else powers
    errors = [_error(u.names[0], total) for u, total in zip(units, totals, strict=True)]
    return sorted(errors, key=lambda error: -error.own_relative_mse)


class _Probe:
    """A float model that returns the input and the output of each unit."""

    def __init__(self, model: keras.Model, units: list[_Unit]):
        layers = [
            (model.get_layer(u.names[0]), model.get_layer(u.names[-1])) for u in units
        ]
        self._ports = [(first.input, last.output) for first, last in layers]
        self._model = keras.Model(model.input, tf.nest.flatten(self._ports))

    def run(self, batch: Any) -> tuple[list[Any], list[Any]]:
        values = tf.nest.flatten(self._model(batch))
        ports = tf.nest.pack_sequence_as(self._ports, values)
        return [port[0] for port in ports], [port[1] for port in ports]


def _compare(unit: _Unit, x: Any, signal: Any, chained: Any) -> dict[str, Any]:
    """Returns the powers of one batch, of each channel, and a product."""
    return {
        "signal": _power(signal),
        "own": _power(_run_quantized(unit, x) - signal),
        "chained": _power(chained - signal),
        "chained_signal": _power(chained),
        "product": tf.reduce_sum(chained * signal),
    }


def _power(values: Any) -> Any:
    """Returns the sum of squares of each channel, the last axis."""
    return tf.reduce_sum(values**2, axis=list(range(len(values.shape) - 1)))


def _error(name: str, total: dict[str, np.ndarray]) -> LayerError:
    length = np.sqrt(total["chained_signal"].sum() * total["signal"].sum())
    has_origin = "origin" in total
    return LayerError(
        layer=name,
        own_relative_mse=_relative(total["own"], total["signal"]),
        relative_mse=_relative(total["chained"], total["signal"]),
        # Two that are zero everywhere are the same.
        cosine=float(total["product"] / length) if length else 1.0,
        change=_relative(total["change"], total["origin"]) if has_origin else None,
    )


def _relative(noise: np.ndarray, signal: np.ndarray) -> float:
    if not np.any(signal):
        return float(np.any(noise))
    is_signal = signal >= _LEAST_POWER * np.median(signal[signal > 0])
    return float(np.mean(noise[is_signal] / signal[is_signal]))


def _find_units(quantized: keras.Model) -> list[_Unit]:
    units: list[_Unit] = []
    for layer in quantized.layers:
        is_pixels = layer.name == f"{PREFIX}pixels"
        if not isinstance(layer, QuantizeWrapper) or is_pixels:
            continue
        maker = traverse.producers(layer)[0]
        name = layer.name.removeprefix(PREFIX)
        shared, output = _quantized_output(layer)
        owner = next((u for u in units if u.quantized[-1] is maker), None)
        # An output that only a ReLU reads is not rounded, the ReLU's output is.
        if owner and isinstance(layer.layer, keras.layers.ReLU):
            owner.names.append(name)
            owner.quantized += [layer, *shared]
            owner.output = output
        else:
            units.append(_Unit([name], [layer, *shared], output))
    return units


def _quantized_output(layer: Any) -> tuple[list[Any], Any]:
    """Returns the shared range that rounds the layer's output, and its output."""
    for node in layer.outbound_nodes:
        if isinstance(node.outbound_layer, SharedRange):
            return [node.outbound_layer], node.output_tensors
    return [], layer.output


def _run_quantized(unit: _Unit, x: Any) -> Any:
    for layer in unit.quantized:
        # The range is the same for all of its tensors.
        options = {"member": 0} if isinstance(layer, SharedRange) else {}
        x = layer(x, training=False, **options)
    return x


def _run_float(model: keras.Model, unit: _Unit, x: Any) -> Any:
    for name in unit.names:
        x = model.get_layer(name)(x)
    return x


def _has_layers(model: keras.Model, units: list[_Unit]) -> bool:
    names = {layer.name for layer in model.layers}
    return names.issuperset(itertools.chain(*(unit.names for unit in units)))
