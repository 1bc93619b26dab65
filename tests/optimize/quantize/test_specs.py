"""The table of what quantization does to a layer."""

import pytest

from corallite.device.system.errors import RequestError
from corallite.optimize.quantize import specs
from corallite.train.framework.keras import keras


def test_every_layer_with_a_kernel_has_a_quantizer_for_each_granularity():
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)
    for kind in kinds:
        for granularity in specs.GRANULARITIES:
            assert getattr(specs.SPECS[kind], granularity) is not None


def test_a_depthwise_convolution_with_a_multiplier_is_refused():
    layer = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, name="two")
    with pytest.raises(RequestError, match="'two' is a DepthwiseConv2D, which cannot"):
        specs.find_spec(layer)


def test_a_new_type_of_layer_needs_one_entry(monkeypatch):
    layer = keras.layers.Permute((2, 1, 3))
    with pytest.raises(RequestError, match="Permute, which cannot be quantized"):
        specs.find_spec(layer)
    spec = specs.LayerSpec(specs.Output.MOVED)
    monkeypatch.setitem(specs.SPECS, keras.layers.Permute, spec)
    assert specs.find_spec(layer) is spec
    assert specs.moves_values(layer) and not specs.makes_values(layer)
