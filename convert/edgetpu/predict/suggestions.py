"""What to change in a model so that an operator no longer stays off the Edge TPU."""

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
    "--model=shufflenet_v2 does, or put a 1x1 convolution with a permutation matrix "
    "in its place"
)
BATCH = "convert with a batch of 1"
RUNTIME = (
    "compile for Edge TPU runtime 12 or later, which knows int8: by compiler 2.0 or "
    "later, without --min_runtime_version"
)
_RELU = "use ReLU or ReLU6 in its place"
_FLOAT_INPUT = "convert with uint8 input (inference_input_type=tf.uint8)"
_FLOAT_OUTPUT = "convert with uint8 output (inference_output_type=tf.uint8)"

# By type, where there is more to say than by status.
_BY_TYPE: Mapping[tuple[str, str], str] = {
    (DATA_TYPE, "DEQUANTIZE"): _FLOAT_OUTPUT,
    (DATA_TYPE, "CUSTOM"): "leave it to the CPU, as the last operator of the model",
    (UNSPECIFIED, "QUANTIZE"): _FLOAT_INPUT,
    (UNSUPPORTED, "ARG_MAX"): "end the model before it and take the maximum outside",
    (UNSUPPORTED, "CAST"): _FLOAT_INPUT,
    (UNSUPPORTED, "ELU"): _RELU,
    (UNSUPPORTED, "GATHER"): (
        "order the channels by a 1x1 convolution, or in the weights of the next layer"
    ),
    (UNSUPPORTED, "GELU"): _RELU,
    (UNSUPPORTED, "HARD_SWISH"): (
        "use ReLU6; in Keras's MobileNetV3 that is minimalistic=True"
    ),
    (UNSUPPORTED, "LEAKY_RELU"): "use ReLU or PReLU in its place",
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
    RANK: "let only the three innermost dimensions be above 1",
    UNSPECIFIED: "make its tensors smaller",
    UNSUPPORTED: "replace it by operators that the Edge TPU has, or move it to the end",
    VERSION: "convert with options, or an older TensorFlow, that give a lower version",
}


def suggestion_for(status: str, operator_type: str) -> str:
    """Returns the advice for an operator of a type that was given a status."""
    return _BY_TYPE.get((status, operator_type)) or _BY_STATUS.get(status, "")
