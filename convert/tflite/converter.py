"""Converts Keras models to TFLite and checks the resulting file."""

from typing import Any

import numpy as np
from absl import logging

from corallite.convert.tflite.equal_scales import merge_equal_scales
from corallite.convert.tflite.queries import float_tensors
from corallite.convert.tflite.split_convolutions import split_convolutions
from corallite.device.system.errors import RequestError
from corallite.device.system.native_log import withholding_native_log
from corallite.optimize.quantize.add_quantizers import is_quantized, quantize
from corallite.train.framework.keras import keras, tf

# The converter needs some images even if the graph has every range.
_IMAGES_FOR_CONVERTER = 10


def convert_to_int8(model: keras.Model, images: np.ndarray) -> bytes:
    """Returns a full-int8 TFLite file: uint8 pixels in, uint8 probabilities out.

    A quantization-aware model is converted with its trained ranges. A float model gets
    the same quantizers with ranges that are measured on `images`, without training:
    post-training quantization by the same rules, including shared scales of
    concatenations.

    Args:
        model: Flat functional model, float or quantization-aware; not changed.
        images: Representative images of the training split, float32
            `[n, height, width, 3]`, pixel/255.

    Returns:
        The file's content. Batch is a static 1; the input's scale is 1/255 with zero
        point 0, so that it takes raw pixels; dense weights have one scale.

    Raises:
        RequestError: A tensor of the file is float: the model has a layer that cannot
            be quantized.
    """
    if not is_quantized(model):
        model = quantize(model, images)
    converter = _make_converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8
    converter.representative_dataset = lambda: (
        [images[i : i + 1]] for i in range(min(len(images), _IMAGES_FOR_CONVERTER))
    )
    # The Edge TPU compiler and TFLite Micro need per-tensor scales in dense layers.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True
    content = merge_equal_scales(split_convolutions(_run(converter)))
    _check_full_int8(content)
    return content


def convert_to_float(model: keras.Model) -> bytes:
    """Returns a float32 TFLite file of a float model, with a batch of 1."""
    return _run(_make_converter(model))


def _make_converter(model: keras.Model) -> "tf.lite.TFLiteConverter":
    shape = (1, *model.input_shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="image")])
    def infer(image: Any) -> dict[str, Any]:
        return {"probabilities": model(image, training=False)}

    function = infer.get_concrete_function()
    # Given the model itself, TensorFlow would trace every layer a second time: a minute
    # instead of seconds, with the same file.
    saved = tf.Module()
    saved.infer = infer
    saved.captured = list(function.graph.variables)
    return tf.lite.TFLiteConverter.from_concrete_functions([function], saved)


def _run(converter: "tf.lite.TFLiteConverter") -> bytes:
    """Runs the converter without its log."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        with withholding_native_log():
            return converter.convert()
    finally:
        logging.set_verbosity(verbosity)


def _check_full_int8(content: bytes) -> None:
    floats = float_tensors(content)
    if floats:
        raise RequestError(
            f"The converted file is not full int8: tensor {floats[0]!r} and "
            f"{len(floats) - 1} more are float. Replace the layer that writes it."
        )
