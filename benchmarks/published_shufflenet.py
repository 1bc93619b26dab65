"""ShuffleNetV2 as published, with the channel shuffle: in Keras and in ONNX.

One description of the network (Ma et al., 2018, arXiv:1807.11164, Figure 3) drives
two writers. The weights have torchvision's names and the published order. Details that
the paper leaves open are as in `corallite.train.models.networks.shufflenet_v2`:
TensorFlow's "same" padding, ReLU6 and the epsilon of batch norms. So both compute the
same function.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from corallite.optimize.quantize.specs import SPECS, LayerSpec, Output
from corallite.train.framework.keras import keras, tf
from corallite.train.models import blocks
from corallite.train.models.channel_slice import ChannelSlice
from corallite.train.models.networks.shufflenet_v2 import STAGE_UNITS

Tensors = Mapping[str, np.ndarray]
_NORM_PARTS = ("weight", "bias", "running_mean", "running_var")


def build_keras(tensors: Tensors, size: int) -> keras.Model:
    """Returns the published network for images of `size` x `size` pixels."""
    writer = _KerasWriter(tensors, size)
    model = keras.Model(writer.image, _write(writer, size), name="published")
    for name, arrays in writer.weights.items():
        model.get_layer(name).set_weights(arrays)
    return model


def build_bound(tensors: Tensors, size: int) -> keras.Model:
    """Returns the same convolutions without moving channels: another function.

    In the same runtime, no form of the network can be faster than this one.
    """
    writer = _BoundWriter(tensors, size)
    return keras.Model(writer.image, _write(writer, size), name="bound")


def build_onnx(tensors: Tensors, size: int) -> Any:
    """Returns the network as an `onnx.ModelProto`, with input [1, 3, size, size]."""
    writer = _OnnxWriter(tensors, size)
    return writer.model(_write(writer, size))


def _write(writer: Any, size: int) -> Any:
    stem_stride = blocks.stem_stride((size, size), later_stride=8)
    x = writer.conv(writer.image, "conv1.0", "conv1.1", stride=min(stem_stride, 2))
    if stem_stride == 4:
        x = writer.max_pool(x)
    for stage, units in enumerate(STAGE_UNITS, start=2):
        for unit in range(units):
            x = _unit(writer, x, f"stage{stage}.{unit}", is_first=unit == 0)
        x = writer.end_stage(x)
    x = writer.conv(x, "conv5.0", "conv5.1")
    return writer.head(x)


def _unit(writer: Any, x: Any, name: str, is_first: bool) -> Any:
    stride = 2 if is_first else 1
    left, right = (x, x) if is_first else writer.split(x)
    if is_first:
        shortcut = f"{name}.branch1"
        left = writer.conv(left, f"{shortcut}.0", f"{shortcut}.1", stride, relu=False)
        left = writer.conv(left, f"{shortcut}.2", f"{shortcut}.3")
    branch = f"{name}.branch2"
    right = writer.conv(right, f"{branch}.0", f"{branch}.1")
    right = writer.conv(right, f"{branch}.3", f"{branch}.4", stride, relu=False)
    right = writer.conv(right, f"{branch}.5", f"{branch}.6")
    return writer.shuffle(left, right)


@keras.saving.register_keras_serializable(package="benchmarks")
class ChannelShuffle(ChannelSlice):
    """The channel shuffle, through five dimensions."""

    def call(self, inputs):
        _, height, width, channels = inputs.shape
        x = tf.reshape(inputs, (-1, height, width, 2, channels // 2))
        x = tf.transpose(x, (0, 1, 2, 4, 3))
        return tf.reshape(x, (-1, height, width, channels))


SPECS[ChannelShuffle] = LayerSpec(Output.MOVED)


class _KerasWriter:
    def __init__(self, tensors: Tensors, size: int) -> None:
        self.tensors = tensors
        self.image = keras.Input((size, size, 3), name="image")
        self.weights: dict[str, list[np.ndarray]] = {}

    def conv(self, x, name, norm, stride=1, relu=True):
        kernel = self.tensors[f"{name}.weight"]
        activation = blocks.RELU if relu else None
        ours = name.replace(".", "_")
        settings = {"stride": stride, "activation": activation, "name": ours}
        if kernel.shape[1] == 1:
            kernel = kernel.transpose(2, 3, 0, 1)
            x = blocks.OURS.depthwise_bn(x, **settings)
        else:
            kernel = kernel.transpose(2, 3, 1, 0)
            x = blocks.OURS.conv_bn(x, kernel.shape[3], kernel.shape[0], **settings)
        self.weights[ours] = [kernel]
        self.weights[f"{ours}_bn"] = [
            self.tensors[f"{norm}.{part}"] for part in _NORM_PARTS
        ]
        return x

    def max_pool(self, x):
        return keras.layers.MaxPool2D(3, 2, padding="same")(x)

    def split(self, x):
        channels = x.shape[-1]
        middle = channels // 2
        return ChannelSlice(0, middle)(x), ChannelSlice(middle, channels)(x)

    def shuffle(self, left, right):
        x = keras.layers.Concatenate()([left, right])
        return ChannelShuffle(0, x.shape[-1])(x)

    def end_stage(self, x):
        return x

    def head(self, x):
        x = keras.layers.GlobalAveragePooling2D()(x)
        self.weights["fc"] = [self.tensors["fc.weight"].T, self.tensors["fc.bias"]]
        x = keras.layers.Dense(len(self.tensors["fc.bias"]), name="fc")(x)
        return keras.layers.Softmax()(x)


class _BoundWriter(_KerasWriter):
    """Passes both branches of a unit on to the next unit unchanged.

    In place of one tensor between two units it has the pair of its halves.
    """

    def split(self, x):
        older, newer = x
        return newer, older

    def shuffle(self, left, right):
        return left, right

    def end_stage(self, x):
        return keras.layers.Concatenate()(list(x))


class _OnnxWriter:
    def __init__(self, tensors: Tensors, size: int) -> None:
        # Imported late: building for Keras does not need it.
        self.onnx = importlib.import_module("onnx")
        self.tensors = tensors
        self.size = size
        self.image = "image"
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self.shapes = {self.image: (1, 3, size, size)}

    def conv(self, x, name, norm, stride=1, relu=True):
        kernel = self._constant(f"{name}.weight", self.tensors[f"{name}.weight"])
        channels, group_channels, size, _ = self.constants[kernel].shape
        side = self.shapes[x][2]
        shape = (1, channels, -(-side // stride), -(-side // stride))
        groups = self.shapes[x][1] // group_channels
        y = self._node(
            "Conv",
            [x, kernel],
            shape,
            strides=[stride] * 2,
            kernel_shape=[size] * 2,
            pads=_same_padding(side, size, stride),
            group=groups,
        )
        parts = [f"{norm}.{part}" for part in _NORM_PARTS]
        parts = [self._constant(part, self.tensors[part]) for part in parts]
        epsilon = blocks.OURS.epsilon
        y = self._node("BatchNormalization", [y, *parts], shape, epsilon=epsilon)
        return self._relu6(y) if relu else y

    def max_pool(self, x):
        _, channels, side, _ = self.shapes[x]
        return self._node(
            "MaxPool",
            [x],
            (1, channels, -(-side // 2), -(-side // 2)),
            kernel_shape=[3, 3],
            strides=[2, 2],
            pads=_same_padding(side, 3, 2),
        )

    def split(self, x):
        _, channels, *sides = self.shapes[x]
        half = self._constant(f"half{channels}", np.full(2, channels // 2))
        shape = (1, channels // 2, *sides)
        left = self._node("Split", [x, half], shape, axis=1)
        right = f"{left}_right"
        self.nodes[-1].output.append(right)
        self.shapes[right] = shape
        return left, right

    def shuffle(self, left, right):
        _, half, height, width = self.shapes[left]
        x = self._node("Concat", [left, right], (1, 2 * half, height, width), axis=1)
        x = self._reshape(x, (1, 2, half, height, width))
        shape = (1, half, 2, height, width)
        x = self._node("Transpose", [x], shape, perm=[0, 2, 1, 3, 4])
        return self._reshape(x, (1, 2 * half, height, width))

    def end_stage(self, x):
        return x

    def head(self, x):
        channels = self.shapes[x][1]
        x = self._node("GlobalAveragePool", [x], (1, channels, 1, 1))
        x = self._reshape(x, (1, channels))
        kernel, bias = (
            self._constant(name, self.tensors[name])
            for name in ("fc.weight", "fc.bias")
        )
        shape = (1, len(self.constants[bias]))
        x = self._node("Gemm", [x, kernel, bias], shape, transB=1)
        return self._node("Softmax", [x], shape, axis=1)

    def model(self, output: str) -> Any:
        helper = self.onnx.helper
        ends = (
            helper.make_tensor_value_info(
                name, self.onnx.TensorProto.FLOAT, self.shapes[name]
            )
            for name in (self.image, output)
        )
        constants = [
            self.onnx.numpy_helper.from_array(array, name)
            for name, array in self.constants.items()
        ]
        graph = helper.make_graph(
            self.nodes, "published", *([end] for end in ends), constants
        )
        # Operators of 2021, which all current runtimes support.
        opset = helper.make_opsetid("", 17)
        model = helper.make_model(graph, opset_imports=[opset], ir_version=8)
        self.onnx.checker.check_model(model)
        return model

    def _relu6(self, x):
        limits = [
            self._constant(f"limit{limit}", np.array(limit, np.float32))
            for limit in (0, 6)
        ]
        return self._node("Clip", [x, *limits], self.shapes[x])

    def _reshape(self, x, shape):
        name = "shape_" + "_".join(map(str, shape))
        return self._node("Reshape", [x, self._constant(name, np.array(shape))], shape)

    def _node(self, kind, inputs, shape, **attributes):
        output = f"{kind}{len(self.nodes)}"
        self.nodes.append(
            self.onnx.helper.make_node(kind, inputs, [output], **attributes)
        )
        self.shapes[output] = shape
        return output

    def _constant(self, name, array):
        self.constants[name] = np.ascontiguousarray(array)
        return name


def _same_padding(side: int, size: int, stride: int) -> list[int]:
    """Returns ONNX's pads (top, left, bottom, right) for TensorFlow's "same"."""
    total = max((-(-side // stride) - 1) * stride + size - side, 0)
    before = total // 2
    return [before, before, total - before, total - before]
