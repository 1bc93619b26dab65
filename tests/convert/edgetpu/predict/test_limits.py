"""Limits of the Edge TPU on each operator type, one model per limit."""

import pytest

from corallite.convert.edgetpu.predict.compilers import (
    DATA_TYPE,
    INTERPOLATION,
    MAPPED,
    UNIT_STRIDES,
    UNSPECIFIED,
    UNSUPPORTED,
    VERSION,
)


# Functions (writer, x) that add one operator to an int8 [1, 8, 8, 4].
def constant_add(writer, x):
    writer.operator("ADD", [x, writer.tensor((1, 1, 1, 4), data=1)], None, version=2)


def average_pool(writer, x, activation=0):
    options = {"options": "Pool2DOptions", "fusedActivationFunction": activation}
    writer.operator("AVERAGE_POOL_2D", [x], (1, 4, 4, 4), version=2, **options)


def concatenation(writer, x, *others, activation=0):
    options = {"axis": 3, "fusedActivationFunction": activation}
    writer.operator(
        "CONCATENATION",
        [x, *others],
        (1, 8, 8, 8),
        options="ConcatenationOptions",
        **options,
    )


def dilated(writer, x, kernel, height, width):
    writer.conv(x, kernel=kernel, dilationHFactor=height, dilationWFactor=width)


def loose_weights(writer, x):
    weights = writer.operator("RELU", [writer.input((4, 1, 1, 4))], None)
    bias = writer.tensor((4,), "INT32", data=0)
    writer.operator("CONV_2D", [x, weights, bias], None, version=3)


def reduction(writer, x, name, axes, shape):
    writer.operator(name, [x, writer.integers(*axes)], shape, version=2)


def reduction_of(writer, name, before, axis):
    """One of any number of dimensions."""
    x = writer.input(before)
    after = [size for index, size in enumerate(before) if index != axis]
    reduction(writer, x, name, (axis,), after)


def mean_of(writer, side, channels, axes):
    x = writer.input((1, side, side, channels))
    reduction(writer, x, "MEAN", axes, (1, 1, 1, channels))


def padded(writer, before, amounts, after):
    x = writer.input(before)
    writer.operator("PAD", [x, writer.integers(*amounts)], after)


def prelu(writer, x, slope_shape):
    writer.operator("PRELU", [x, writer.tensor(slope_shape, data=1)], None)


def resized(writer, old, new, version=2, name="RESIZE_BILINEAR"):
    x = writer.input((1, old, old, 4))
    sizes = writer.integers(new, new)
    writer.operator(name, [x, sizes], (1, new, new, 4), version=version)


def softmax(writer, shape):
    writer.operator("SOFTMAX", [writer.input(shape)], None, version=2)


def split(writer, x, axis):
    writer.operator(
        "SPLIT", [writer.integers(axis), x], (1, 8, 8, 2), options="SplitOptions"
    )


def squeezed(writer, before, after):
    writer.operator("SQUEEZE", [writer.input(before)], after)


def sliced(writer, x, strides, **masks):
    bounds = [writer.integers(0, 0, 0, 0), writer.integers(1, 8, 8, 4)]
    writer.operator(
        "STRIDED_SLICE",
        [x, *bounds, writer.integers(*strides)],
        (1, 4, 4, 4),
        options="StridedSliceOptions",
        **masks,
    )


def transposed(writer, side, channels):
    x = writer.input((1, side, side, channels))
    axes = writer.integers(0, 3, 1, 2)
    writer.operator("TRANSPOSE", [x, axes], (1, channels, side, side), version=2)


def packed(writer, x, axis):
    a = writer.input((8, 4))
    writer.operator("PACK", [a, a], (2, 8, 4), options="PackOptions", axis=axis)


SUPPORTED = {
    "add of a constant": constant_add,
    "pool": average_pool,
    "concatenation": lambda w, x: concatenation(w, x, x),
    "concatenation with zeros": lambda w, x: concatenation(
        w, x, w.tensor((1, 8, 8, 4), data=0)
    ),
    "convolution": lambda w, x: w.conv(x, 8, (3, 3)),
    "dilated convolution": lambda w, x: dilated(w, x, (3, 3), 2, 2),
    "dilated line": lambda w, x: dilated(w, x, (3, 1), 4, 1),
    "dense": lambda w, x: w.dense(w.input((1, 9)), 3),
    "mean": lambda w, x: mean_of(w, 64, 4, (1, 2)),
    "mean over fours": lambda w, x: mean_of(w, 8, 8, (3,)),
    "mean over three rows": lambda w, x: reduction_of(w, "MEAN", (1, 3, 8), 1),
    "maximum over three channels": lambda w, x: reduction_of(
        w, "REDUCE_MAX", (1, 8, 8, 3), 3
    ),
    "minimum over three channels": lambda w, x: reduction_of(
        w, "REDUCE_MIN", (1, 8, 8, 3), 3
    ),
    "sum over three channels": lambda w, x: reduction_of(w, "SUM", (1, 8, 8, 3), 3),
    "maximum over an axis": lambda w, x: reduction(w, x, "REDUCE_MAX", (-1,), (1, 8)),
    "pack": lambda w, x: packed(w, x, 1),
    "pad": lambda w, x: padded(w, (1, 8, 4), (0, 0, 0, 1, 0, 0), (1, 9, 4)),
    "prelu by channel": lambda w, x: prelu(w, x, (1, 1, 4)),
    "requantization": lambda w, x: w.operator("QUANTIZE", [x], None, "UINT8"),
    "reshape": lambda w, x: w.reshape(x, (1, 64, 4)),
    "large reshape of the depth": lambda w, x: w.reshape(
        w.input((1, 80, 80, 45)), (1, 6400, 3, 15)
    ),
    "twofold resize": lambda w, x: resized(w, 24, 48),
    "smaller resize": lambda w, x: resized(w, 300, 200),
    "resize of version 3": lambda w, x: resized(w, 24, 48, version=3),
    "softmax": lambda w, x: softmax(w, (1, 1000)),
    "split": lambda w, x: split(w, x, 3),
    "squeeze in front": lambda w, x: squeezed(w, (1, 1, 1, 9), (1, 9)),
    "slice": lambda w, x: sliced(w, x, (1, 1, 1, 1)),
    "slice of every second row": lambda w, x: sliced(w, x, (1, 2, 2, 1)),
    "small transpose": lambda w, x: transposed(w, 14, 64),
}


REFUSED = {
    "pool with activation": (lambda w, x: average_pool(w, x, 1), UNSPECIFIED),
    "concatenation with activation": (
        lambda w, x: concatenation(w, x, x, activation=3),
        UNSPECIFIED,
    ),
    "concatenation with ones": (
        lambda w, x: concatenation(w, x, w.tensor((1, 8, 8, 4), data=1)),
        UNSPECIFIED,
    ),
    "concatenation of two and zeros": (
        lambda w, x: concatenation(w, x, x, w.tensor((1, 8, 8, 4), data=0)),
        UNSPECIFIED,
    ),
    "uneven dilation": (lambda w, x: dilated(w, x, (3, 3), 2, 1), UNSPECIFIED),
    "weights that are not constant": (loose_weights, UNSPECIFIED),
    "shuffled dense weights": (
        lambda w, x: w.dense(w.input((1, 9)), 3, weightsFormat=1),
        UNSPECIFIED,
    ),
    "dense of several rows": (
        lambda w, x: w.operator(
            "FULLY_CONNECTED", [w.input((8, 9)), w.tensor((3, 9), data=1)], (8, 3)
        ),
        UNSPECIFIED,
    ),
    "mean over the batch": (lambda w, x: mean_of(w, 8, 4, (0, 1)), UNSPECIFIED),
    "mean over three channels": (lambda w, x: mean_of(w, 8, 3, (3,)), UNSPECIFIED),
    "mean over three channels of three dimensions": (
        lambda w, x: reduction_of(w, "MEAN", (1, 8, 3), 2),
        UNSPECIFIED,
    ),
    "maximum over the batch": (
        lambda w, x: reduction_of(w, "REDUCE_MAX", (1, 8, 8, 4), 0),
        UNSPECIFIED,
    ),
    "sum over the batch": (
        lambda w, x: reduction_of(w, "SUM", (1, 8, 8, 4), 0),
        UNSPECIFIED,
    ),
    "mean of 200 by 200": (lambda w, x: mean_of(w, 200, 4, (1, 2)), UNSPECIFIED),
    "pack of a batch": (lambda w, x: packed(w, x, 0), UNSPECIFIED),
    "pad of the batch": (
        lambda w, x: padded(w, (1, 8, 4), (0, 1, 0, 0, 0, 0), (2, 8, 4)),
        UNSPECIFIED,
    ),
    "prelu by pixel": (lambda w, x: prelu(w, x, (8, 8, 4)), UNSPECIFIED),
    "large reshape": (
        lambda w, x: w.reshape(w.input((1, 6400, 3, 15)), (1, 19_200, 15)),
        UNSPECIFIED,
    ),
    "resize from one pixel": (lambda w, x: resized(w, 1, 33), UNSPECIFIED),
    "resize to 256": (
        lambda w, x: resized(w, 128, 256, name="RESIZE_NEAREST_NEIGHBOR"),
        UNSPECIFIED,
    ),
    "softmax at every pixel": (lambda w, x: softmax(w, (1, 8, 8, 4)), UNSPECIFIED),
    "softmax of 20,000": (lambda w, x: softmax(w, (1, 20_000)), UNSPECIFIED),
    "split of the batch": (lambda w, x: split(w, x, 0), UNSPECIFIED),
    "squeeze in the middle": (
        lambda w, x: squeezed(w, (1, 5, 1, 9), (1, 5, 9)),
        UNSPECIFIED,
    ),
    "slice with a new axis": (
        lambda w, x: sliced(w, x, (1, 1, 1, 1), newAxisMask=1),
        UNSPECIFIED,
    ),
    "large transpose": (lambda w, x: transposed(w, 28, 116), UNSPECIFIED),
}


@pytest.mark.parametrize("case", SUPPORTED)
def test_operator_is_mapped(writer, status_of_last, case):
    SUPPORTED[case](writer, writer.input())
    assert status_of_last() == MAPPED


@pytest.mark.parametrize("case", REFUSED)
def test_operator_is_refused_with_the_compilers_status(check_cut, case):
    check_cut(*REFUSED[case])


@pytest.mark.parametrize(
    ("compiler", "build", "status"),
    [
        ("15.0", lambda w, x: transposed(w, 14, 64), UNSUPPORTED),
        ("16.0", lambda w, x: transposed(w, 14, 64), MAPPED),
        ("2.0", lambda w, x: prelu(w, x, (4,)), UNSUPPORTED),
        ("2.1", lambda w, x: prelu(w, x, (4,)), MAPPED),
        ("15.0", lambda w, x: sliced(w, x, (1, 2, 2, 1)), UNIT_STRIDES),
        ("14.1", lambda w, x: resized(w, 24, 48, version=3), VERSION),
        ("15.0", lambda w, x: resized(w, 24, 48, version=3), VERSION),
        ("2.0", lambda w, x: resized(w, 128, 512), INTERPOLATION),
        ("2.1", lambda w, x: resized(w, 128, 512), UNSPECIFIED),
        ("1.0", lambda w, x: average_pool(w, x), DATA_TYPE),
        ("2.0", lambda w, x: average_pool(w, x), MAPPED),
    ],
)
def test_compilers_differ(writer, status_of_last, compiler, build, status):
    build(writer, writer.input())
    assert status_of_last(compiler) == status
