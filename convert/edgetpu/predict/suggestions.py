"""Suggests what to change so that an operator runs on the Edge TPU."""

from collections.abc import Mapping

from corallite.convert.edgetpu.predict.compilers import (
    DATA_TYPE,
    LATER_SUBGRAPH,
    RANK,
    UNSPECIFIED,
    UNSUPPORTED,
    VERSION,
)

SHUFFLE = (
    "this is a channel shuffle: build the network without one, as corallite train "
    "--model=shufflenet_v2 does, or replace it with a 1x1 convolution with a "
    "permutation matrix"
)
BATCH = "convert with a batch of 1"
RUNTIME = (
    "compile for Edge TPU runtime 12 or later, which supports int8: with compiler 2.0 "
    "or later, without --min_runtime_version"
)
_RELU = "replace it with ReLU or ReLU6"
_FLOAT_INPUT = "convert with uint8 input (inference_input_type=tf.uint8)"
_FLOAT_OUTPUT = "convert with uint8 output (inference_output_type=tf.uint8)"

# By status and type, where the type matters.
_BY_TYPE: Mapping[tuple[str, str], str] = {
    (DATA_TYPE, "DEQUANTIZE"): _FLOAT_OUTPUT,
    (DATA_TYPE, "CUSTOM"): "leave it to the CPU, as the last operator of the model",
    (UNSPECIFIED, "QUANTIZE"): _FLOAT_INPUT,
    (UNSUPPORTED, "ARG_MAX"): "end the model before it and compute the maximum outside",
    (UNSUPPORTED, "CAST"): _FLOAT_INPUT,
    (UNSUPPORTED, "ELU"): _RELU,
    (UNSUPPORTED, "GATHER"): (
        "order the channels by a 1x1 convolution, or in the weights of the next layer"
    ),
    (UNSUPPORTED, "GELU"): _RELU,
    (UNSUPPORTED, "HARD_SWISH"): (
        "use ReLU6; in Keras's MobileNetV3 that is minimalistic=True"
    ),
    (UNSUPPORTED, "LEAKY_RELU"): "replace it with ReLU or PReLU",
    (UNSUPPORTED, "PADV2"): "pad with zeros, or by padding='same' in the convolution",
    (UNSUPPORTED, "SPLIT_V"): "slice instead, or split in equal parts",
    (UNSUPPORTED, "TRANSPOSE"): "keep the channels last throughout",
    (UNSUPPORTED, "UNPACK"): "slice instead",
    (VERSION, "FULLY_CONNECTED"): "flatten its input, so that it has one row",
    (
        VERSION,
        "RESIZE_BILINEAR",
    ): "use compiler 16, or resize without half_pixel_centers",
    (VERSION, "RESIZE_NEAREST_NEIGHBOR"): (
        "use compiler 16, or resize without half_pixel_centers"
    ),
}

_BY_STATUS: Mapping[str, str] = {
    DATA_TYPE: "quantize it to int8: convert with TFLITE_BUILTINS_INT8 alone",
    LATER_SUBGRAPH: "see the operator that splits the graph before it",
    RANK: "use 1 for all but the three innermost dimensions",
    UNSPECIFIED: "make its tensors smaller",
    UNSUPPORTED: "replace it with supported operators, or move it to the end",
    VERSION: "convert with options, or an older TensorFlow, that give a lower version",
}


def suggestion_for(status: str, operator_type: str) -> str:
    """Returns the suggestion for an operator of a type that has a status."""
    return _BY_TYPE.get((status, operator_type)) or _BY_STATUS.get(status, "")
