"""Wraps a layer with the quantizers of its kernel and its output."""

from corallite.optimize.keras_graph.quantizers import (
    FixedRange,
    KernelQuantizer,
    MovingRange,
)
from corallite.optimize.keras_graph.tfmot import tfmot
from corallite.train.framework.keras import keras, plain_python

# The name of a wrapped layer starts with this.
PREFIX = "quant_"
_QUANTIZERS = {
    kind.__name__: kind for kind in (KernelQuantizer, FixedRange, MovingRange)
}


@keras.saving.register_keras_serializable(package="corallite")
class QuantizeWrapper(tfmot.quantization.keras.QuantizeWrapperV2):
    """tfmot's wrapper, but it does not train the kernel of a frozen layer."""

    call = plain_python(tfmot.quantization.keras.QuantizeWrapperV2.call)

    @property
    def trainable_weights(self):
        return super().trainable_weights if self.layer.trainable else []

    @property
    def non_trainable_weights(self):
        frozen = [] if self.layer.trainable else super().trainable_weights
        return self._dedup_weights([*frozen, *super().non_trainable_weights])

    def get_config(self):
        config = super().get_config()
        name = config["layer"].get("registered_name")
        if name:
            # In an `.h5` file Keras finds a layer of ours by this name only.
            config["layer"] = {"class_name": name, "config": config["layer"]["config"]}
        return config


@keras.saving.register_keras_serializable(package="corallite")
class LayerQuantization(tfmot.quantization.keras.QuantizeConfig):
    """The quantizers of a layer's kernel and output; None for none."""

    def __init__(self, kernel=None, output=None):
        self.kernel = kernel
        self.output = output

    def get_weights_and_quantizers(self, layer):
        if self.kernel is None:
            return []
        return [(getattr(layer, kernel_name(layer)), self.kernel)]

    def get_activations_and_quantizers(self, layer):
        return []

    def set_quantize_weights(self, layer, quantize_weights):
        if quantize_weights:
            setattr(layer, kernel_name(layer), quantize_weights[0])

    def set_quantize_activations(self, layer, quantize_activations):
        pass

    def get_output_quantizers(self, layer):
        return [] if self.output is None else [self.output]

    def get_config(self):
        return {"kernel": _describe(self.kernel), "output": _describe(self.output)}

    @classmethod
    def from_config(cls, config):
        return cls(_restore(config["kernel"]), _restore(config["output"]))


def wrap(layer, quantization):
    """Returns `layer` in a wrapper that quantizes by a `LayerQuantization`."""
    return QuantizeWrapper(layer, quantization, name=PREFIX + layer.name)


def kernel_name(layer):
    """Returns the name of the attribute that holds a layer's kernel."""
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    return "depthwise_kernel" if is_depthwise else "kernel"


def _describe(quantizer):
    if quantizer is None:
        return None
    return {"kind": type(quantizer).__name__, **quantizer.get_config()}


def _restore(description):
    if description is None:
        return None
    settings = dict(description)
    return _QUANTIZERS[settings.pop("kind")](**settings)
