"""Converts Keras models to TFLite and checks the resulting file."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import logging

from corallite.convert.tflite.equal_scales import merge_equal_scales
from corallite.convert.tflite.queries import float_tensors
from corallite.convert.tflite.split_convolutions import split_convolutions
from corallite.device.engine.runtime import first_line
from corallite.device.model.write import pack, unpack
from corallite.device.system.errors import RequestError
from corallite.device.system.native_log import withholding_native_log
from corallite.device.system.text import cut
from corallite.optimize.quantize.add_quantizers import is_quantized, quantize
from corallite.train.framework.keras import keras, tf
from corallite.train.runs.found import SCORES

_INT16X8 = tf.lite.OpsSet.EXPERIMENTAL_TFLITE_BUILTINS_ACTIVATIONS_INT16_WEIGHTS_INT8
_MOST_DETAIL = 200
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
    _ask_for_int8(converter)
    converter.representative_dataset = lambda: (
        [images[i : i + 1]] for i in range(min(len(images), _IMAGES_FOR_CONVERTER))
    )
    content = merge_equal_scales(split_convolutions(_name_tensors(_run(converter))))
    _check_full_int8(content)
    return content


def convert_to_float(model: keras.Model) -> bytes:
    """Returns a float32 TFLite file of a float model, with a batch of 1."""
    return _name_tensors(_run(_make_converter(model)))


def convert_to_form(
    model: keras.Model, form: str, images: Sequence[np.ndarray] = ()
) -> bytes:
    """Returns a TFLite file of a float model in one of TensorFlow's other forms.

    Args:
        model: Flat functional model without quantizers.
        form: "dynamic": int8 weights, float activations; "float16": float16 weights,
            float activations; "int16x8": int8 weights, int16 activations, inputs and
            outputs; "int8": full int8 as of `convert_to_int8`, with ranges and scales
            of TensorFlow's own post-training quantization, which takes layers that
            Corallite does not know.
        images: As those of `convert_to_int8`; needed by the last two.

    Returns:
        The file's content. Batch is a static 1.

    Raises:
        RequestError: TensorFlow cannot convert a layer to this form.
    """
    converter = _make_converter(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if form == "int8":
        _ask_for_int8(converter)
        images = _span_pixels(images)
    elif form == "float16":
        converter.target_spec.supported_types = [tf.float16]
    elif form == "int16x8":
        converter.target_spec.supported_ops = [_INT16X8]
        converter.inference_input_type = tf.int16
        converter.inference_output_type = tf.int16
    if len(images):
        converter.representative_dataset = lambda: ([x[np.newaxis]] for x in images)
    content = _run(converter)
    if form == "int8":
        _check_full_int8(content)
    return content


def _ask_for_int8(converter: "tf.lite.TFLiteConverter") -> None:
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.uint8
    converter.inference_output_type = tf.uint8
    # The Edge TPU compiler and TFLite Micro need per-tensor scales in dense layers.
    converter._experimental_disable_per_channel_quantization_for_dense_layers = True


def _span_pixels(images: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns images with a black and a white pixel.

    The input then has scale 1/255 and zero point 0, whatever the images have.
    """
    first = images[0].copy()
    first[0, 0], first[-1, -1] = 0.0, 1.0
    return [first, *images[1:]]


def _make_converter(model: keras.Model) -> "tf.lite.TFLiteConverter":
    shape = (1, *model.input_shape[1:])

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.float32, name="image")])
    def infer(image: Any) -> dict[str, Any]:
        return name_outputs(model, model(image, training=False))

    saved = hold(infer)
    function = infer.get_concrete_function()
    return tf.lite.TFLiteConverter.from_concrete_functions([function], saved)


def name_outputs(model: keras.Model, outputs: Any) -> dict[str, Any]:
    """Returns the outputs of a model by the names that its file gives them.

    Several have the names of their layers, but classes beside boxes are SCORES.
    """
    if not isinstance(outputs, list | tuple):
        return {"probabilities": outputs}
    renamed = {"probabilities": SCORES}
    names = (renamed.get(name, name) for name in model.output_names)
    return dict(zip(names, outputs, strict=True))


def _name_tensors(content: bytes) -> bytes:
    """Returns a file whose outputs, if there are several, have the signature's names.

    Tensors without names of their own are found by these in every runtime.
    """
    model = unpack(content)
    (signature,) = model.signatureDefs
    if len(signature.outputs) == 1:
        return content
    for output in signature.outputs:
        model.subgraphs[0].tensors[output.tensorIndex].name = output.name
    return pack(model)


def hold(function: Any) -> "tf.Module":
    """Returns a module that has nothing but a function and its variables.

    Given the model itself, TensorFlow would trace every layer a second time: a minute
    instead of seconds, with the same result.

    Args:
        function: A `tf.function` with an input signature.
    """
    module = tf.Module()
    module.function = function
    module.captured = list(function.get_concrete_function().graph.variables)
    return module


@contextlib.contextmanager
def without_log() -> Iterator[None]:
    """Withholds what TensorFlow logs while it converts or saves."""
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.WARNING)
    try:
        with withholding_native_log():
            yield
    finally:
        logging.set_verbosity(verbosity)


def _run(converter: "tf.lite.TFLiteConverter") -> bytes:
    try:
        with without_log():
            return converter.convert()
    except Exception as error:  # Its errors have no other base.
        raise RequestError(
            "TensorFlow cannot convert the model to this form of TFLite "
            f"({cut(first_line(error), _MOST_DETAIL)}); choose another form, or "
            "replace that layer."
        ) from error


def _check_full_int8(content: bytes) -> None:
    floats = float_tensors(content)
    if floats:
        raise RequestError(
            f"The converted file is not full int8: tensor {floats[0]!r} and "
            f"{len(floats) - 1} more are float. Replace the layer that writes it."
        )
