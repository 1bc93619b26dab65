"""Weights published for PyTorch give the published function here, and come back."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras, tf
from corallite.train.models import blocks, registry
from corallite.train.models.networks.efficientnet_lite import CONVENTIONS as LITE
from corallite.train.models.networks.efficientnet_lite import efficientnet_lite0
from corallite.train.models.networks.mobilenet_v2 import TORCHVISION as MOBILENET
from corallite.train.models.networks.mobilenet_v2 import mobilenet_v2
from corallite.train.models.networks.mobilenet_v3 import TORCHVISION as MOBILENET_3
from corallite.train.models.networks.resnet import TORCHVISION as RESNET
from corallite.train.models.networks.shufflenet_v2 import TORCHVISION as SHUFFLENET
from corallite.train.models.networks.shufflenet_v2 import channels_of, shufflenet_v2
from corallite.train.weights.torch_checkpoint import read_checkpoint
from corallite.train.weights.torchvision import export_weights, import_weights

SOURCE = Path("weights.pth")
STAGE_UNITS = {"stage2": 4, "stage3": 8, "stage4": 4}


class PublishedShuffleNetV2:
    """torchvision's network in plain operators, by torchvision's names."""

    def __init__(self, tensors):
        self.tensors = tensors

    def logits(self, images, stem_stride):
        """Takes pixel/255; zeros are padded after the normalization, as published."""
        x = (images - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
        x = self._conv(
            tf.cast(x, tf.float32), "conv1.0", "conv1.1", stride=min(stem_stride, 2)
        )
        x = tf.nn.relu(x)
        if stem_stride == 4:
            x = tf.nn.max_pool2d(pad(x), 3, 2, "VALID")
        for stage, units in STAGE_UNITS.items():
            x = self._opening_unit(x, f"{stage}.0")
            for unit in range(1, units):
                left, right = tf.split(x, 2, axis=-1)
                x = shuffle(left, self._branch(right, f"{stage}.{unit}", stride=1))
        x = tf.nn.relu(self._conv(x, "conv5.0", "conv5.1"))
        x = tf.reduce_mean(x, axis=(1, 2))
        return x @ self.tensors["fc.weight"].T + self.tensors["fc.bias"]

    def _opening_unit(self, x, name):
        left = self._depthwise(x, f"{name}.branch1.0", f"{name}.branch1.1", stride=2)
        left = self._conv(left, f"{name}.branch1.2", f"{name}.branch1.3")
        return shuffle(tf.nn.relu(left), self._branch(x, name, stride=2))

    def _branch(self, x, name, stride):
        name = f"{name}.branch2"
        x = tf.nn.relu(self._conv(x, f"{name}.0", f"{name}.1"))
        x = self._depthwise(x, f"{name}.3", f"{name}.4", stride)
        return tf.nn.relu(self._conv(x, f"{name}.5", f"{name}.6"))

    def _conv(self, x, name, norm, stride=1):
        kernel = self.tensors[f"{name}.weight"].transpose(2, 3, 1, 0)
        x = pad(x) if kernel.shape[0] == 3 else x
        return self._normalize(tf.nn.conv2d(x, kernel, stride, "VALID"), norm)

    def _depthwise(self, x, name, norm, stride):
        kernel = self.tensors[f"{name}.weight"].transpose(2, 3, 0, 1)
        x = tf.nn.depthwise_conv2d(pad(x), kernel, (1, stride, stride, 1), "VALID")
        return self._normalize(x, norm)

    def _normalize(self, x, name):
        scale, offset, mean, variance = (
            self.tensors[f"{name}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-5)


def pad(x):
    return tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))


def shuffle(left, right):
    """Concatenation and channel shuffle as published: through five dimensions."""
    x = tf.concat([left, right], axis=-1)
    _, height, width, channels = x.shape
    x = tf.reshape(x, (-1, height, width, 2, channels // 2))
    return tf.reshape(tf.transpose(x, (0, 1, 2, 4, 3)), (-1, height, width, channels))


def shufflenet_tensors(width, num_classes, rng):
    """Random weights and batch norm statistics by torchvision's names."""
    tensors = {}

    def conv(name, norm, shape):
        spread = np.sqrt(2 / np.prod(shape[1:]))
        tensors[f"{name}.weight"] = rng.normal(0, spread, shape)
        tensors[f"{norm}.weight"] = rng.uniform(0.5, 1.5, shape[0])
        tensors[f"{norm}.bias"] = rng.normal(0.3, 0.3, shape[0])
        tensors[f"{norm}.running_mean"] = rng.normal(0.3, 0.3, shape[0])
        tensors[f"{norm}.running_var"] = rng.uniform(0.5, 1.5, shape[0])
        tensors[f"{norm}.num_batches_tracked"] = np.array(rng.integers(1e6))

    def branch(name, channels, half):
        conv(f"{name}.0", f"{name}.1", (half, channels, 1, 1))
        conv(f"{name}.3", f"{name}.4", (half, 1, 3, 3))
        conv(f"{name}.5", f"{name}.6", (half, half, 1, 1))

    *stages, last = channels_of(width)
    conv("conv1.0", "conv1.1", (24, 3, 3, 3))
    before = 24
    for (stage, units), channels in zip(STAGE_UNITS.items(), stages, strict=True):
        half = channels // 2
        conv(f"{stage}.0.branch1.0", f"{stage}.0.branch1.1", (before, 1, 3, 3))
        conv(f"{stage}.0.branch1.2", f"{stage}.0.branch1.3", (half, before, 1, 1))
        branch(f"{stage}.0.branch2", before, half)
        for unit in range(1, units):
            branch(f"{stage}.{unit}.branch2", half, half)
        before = channels
    conv("conv5.0", "conv5.1", (last, before, 1, 1))
    tensors["fc.weight"] = rng.normal(0, np.sqrt(1 / last), (num_classes, last))
    tensors["fc.bias"] = rng.normal(0, 0.1, num_classes)
    return {
        name: array if array.dtype == np.int64 else np.float32(array)
        for name, array in tensors.items()
    }


def imported_shufflenet(side, width, tensors):
    model = shufflenet_v2((side, side, 3), 10, width=width, conventions=SHUFFLENET)
    import_weights(model, tensors, width, SOURCE)
    return model


@pytest.mark.slow
@pytest.mark.parametrize(("side", "stem_stride"), [(32, 1), (224, 4)])
@pytest.mark.parametrize("width", [0.5, 1.0, 1.5, 2.0])
def test_logits_are_those_of_the_published_network(width, side, stem_stride):
    rng = np.random.default_rng(0)
    tensors = shufflenet_tensors(width, 10, rng)
    model = imported_shufflenet(side, width, tensors)
    images = rng.random((2, side, side, 3), np.float32)
    expected = PublishedShuffleNetV2(tensors).logits(images, stem_stride).numpy()
    assert_same_logits(model, images, expected)


def assert_same_logits(model, images, expected):
    logits = keras.Model(model.input, model.get_layer("logits").output)(images)
    # The logits tell the images apart, or the comparison would say nothing.
    assert np.abs(expected[0] - expected[1]).max() > 1e-2 * np.abs(expected).max()
    # The sums are the same but for their order: float32 keeps 7 digits of each.
    error = np.abs(logits.numpy() - expected).max()
    assert error <= 1e-4 * np.abs(expected).max()


def test_a_round_trip_is_bit_identical():
    tensors = shufflenet_tensors(0.5, 10, np.random.default_rng(0))
    back = export_weights(imported_shufflenet(32, 0.5, tensors), 0.5)
    # How often a batch norm was updated has no effect.
    expected = [name for name in tensors if not name.endswith("num_batches_tracked")]
    assert list(back) == expected
    for name in expected:
        array = tensors[name]
        assert back[name].dtype == array.dtype
        np.testing.assert_array_equal(back[name], array, err_msg=name)


def test_mobilenet_goes_out_and_comes_back():
    keras.utils.set_random_seed(0)
    model, other = (
        mobilenet_v2((32, 32, 3), 10, conventions=MOBILENET) for _ in range(2)
    )
    tensors = export_weights(model, 1.0)
    assert tensors["features.0.0.weight"].shape == (32, 3, 3, 3)
    assert tensors["features.1.conv.1.weight"].shape == (16, 32, 1, 1)
    assert tensors["features.17.conv.1.0.weight"].shape == (960, 1, 3, 3)
    assert tensors["features.18.0.weight"].shape == (1280, 320, 1, 1)
    assert tensors["classifier.1.weight"].shape == (10, 1280)
    import_weights(other, tensors, 1.0, SOURCE)
    for mine, theirs in zip(other.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


# Stride, kernel size and whether the input is added, of the 16 blocks as published.
LITE0_BLOCKS = (
    *((1, 3, False), (2, 3, False), (1, 3, True), (2, 5, False), (1, 5, True)),
    *((2, 3, False), (1, 3, True), (1, 3, True)),
    *((1, 5, False), (1, 5, True), (1, 5, True)),
    *((2, 5, False), (1, 5, True), (1, 5, True), (1, 5, True), (1, 3, False)),
)


def lite0_logits(images, tensors):
    """EfficientNet-Lite0 in plain operators; takes pixel/255."""

    def conv(x, name, norm, stride=1):
        kernel = tensors[f"{name}.weight"]
        if kernel.shape[1] == 1:
            kernel = kernel.transpose(2, 3, 0, 1)
            x = tf.nn.depthwise_conv2d(x, kernel, (1, stride, stride, 1), "SAME")
        else:
            x = tf.nn.conv2d(x, kernel.transpose(2, 3, 1, 0), stride, "SAME")
        scale, offset, mean, variance = (
            tensors[f"{norm}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3)

    x = (255 * images - 127) / 128
    x = tf.nn.relu6(conv(x, "_conv_stem", "_bn0", stride=2))
    for number, (stride, kernel_size, is_added) in enumerate(LITE0_BLOCKS):
        name, before = f"_blocks.{number}", x
        if number:
            x = tf.nn.relu6(conv(x, f"{name}._expand_conv", f"{name}._bn0"))
        depthwise = f"{name}._depthwise_conv"
        assert tensors[f"{depthwise}.weight"].shape[2] == kernel_size
        x = tf.nn.relu6(conv(x, depthwise, f"{name}._bn1", stride))
        x = conv(x, f"{name}._project_conv", f"{name}._bn2")
        x = before + x if is_added else x
    x = tf.reduce_mean(tf.nn.relu6(conv(x, "_conv_head", "_bn1")), axis=(1, 2))
    return x @ tensors["_fc.weight"].T + tensors["_fc.bias"]


def lite0():
    return efficientnet_lite0((128, 128, 3), 10, conventions=LITE)


def randomize(model, rng):
    """Gives weights that let a difference at the input through to the logits."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shape = layer.gamma.shape
            scale, variance = (rng.uniform(0.5, 1.5, shape) for _ in range(2))
            offset, mean = (rng.normal(0.3, 0.3, shape) for _ in range(2))
            layer.set_weights([scale, offset, mean, variance])
        elif layer.weights and layer.name != "normalize":
            kernel, *bias = layer.get_weights()
            is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
            fan_in = np.prod(kernel.shape[: 2 if is_depthwise else -1])
            layer.set_weights([rng.normal(0, np.sqrt(2 / fan_in), kernel.shape), *bias])


@pytest.mark.slow
def test_lite0_has_the_logits_of_the_published_network_and_comes_back():
    rng = np.random.default_rng(0)
    trained, model = lite0(), lite0()
    randomize(trained, rng)
    tensors = export_weights(trained, 1.0)
    import_weights(model, tensors, 1.0, SOURCE)
    for name, array in export_weights(model, 1.0).items():
        np.testing.assert_array_equal(array, tensors[name], err_msg=name)
    images = rng.random((2, 128, 128, 3), np.float32)
    assert_same_logits(model, images, lite0_logits(images, tensors).numpy())


def resnet_logits(images, tensors):
    """torchvision's ResNet in plain operators, by the names that the tensors have."""

    def conv(x, name, norm, stride=1):
        kernel = tensors[f"{name}.weight"].transpose(2, 3, 1, 0)
        amount = kernel.shape[0] // 2
        x = tf.pad(x, ((0, 0), (amount, amount), (amount, amount), (0, 0)))
        x = tf.nn.conv2d(x, kernel, stride, "VALID")
        scale, offset, mean, variance = (
            tensors[f"{norm}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-5)

    def block(x, name, stride):
        has_three = f"{name}.conv3.weight" in tensors
        strides = (1, stride, 1) if has_three else (stride, 1)
        y = x
        for number, each in enumerate(strides, 1):
            y = conv(y, f"{name}.conv{number}", f"{name}.bn{number}", each)
            y = tf.nn.relu(y) if number < len(strides) else y
        if f"{name}.downsample.0.weight" in tensors:
            x = conv(x, f"{name}.downsample.0", f"{name}.downsample.1", stride)
        return tf.nn.relu(x + y)

    x = (images - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    x = tf.nn.relu(conv(tf.cast(x, tf.float32), "conv1", "bn1", 2))
    x = tf.nn.max_pool2d(pad(x), 3, 2, "VALID")
    for stage in range(1, 5):
        repeat = 0
        while f"layer{stage}.{repeat}.conv1.weight" in tensors:
            stride = 2 if stage > 1 and repeat == 0 else 1
            x = block(x, f"layer{stage}.{repeat}", stride)
            repeat += 1
    x = tf.reduce_mean(x, axis=(1, 2))
    return x @ tensors["fc.weight"].T + tensors["fc.bias"]


# torchvision's state dict: the tensors without counters, and some of their shapes.
RESNET_TENSORS = {
    "resnet18": (
        102,
        {
            "conv1.weight": (64, 3, 7, 7),
            "layer1.0.conv1.weight": (64, 64, 3, 3),
            "layer2.0.downsample.0.weight": (128, 64, 1, 1),
            "layer2.0.downsample.1.running_var": (128,),
            "layer4.1.bn2.running_mean": (512,),
            "fc.weight": (10, 512),
        },
    ),
    "resnet50": (
        267,
        {
            "layer1.0.downsample.0.weight": (256, 64, 1, 1),
            "layer2.0.conv2.weight": (128, 128, 3, 3),
            "layer3.5.conv3.weight": (1024, 256, 1, 1),
            "layer4.2.bn3.bias": (2048,),
            "fc.bias": (10,),
        },
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RESNET_TENSORS)
def test_a_resnet_has_the_logits_of_the_published_network_and_comes_back(name):
    rng = np.random.default_rng(0)
    trained, model = (
        registry.build(name, (64, 64, 3), 10, width=1.0, conventions=RESNET)
        for _ in "ab"
    )
    randomize(trained, rng)
    tensors = export_weights(trained, 1.0)
    count, shapes = RESNET_TENSORS[name]
    assert len(tensors) == count
    assert {x: tensors[x].shape for x in shapes} == shapes
    import_weights(model, tensors, 1.0, SOURCE)
    for tensor, array in export_weights(model, 1.0).items():
        np.testing.assert_array_equal(array, tensors[tensor], err_msg=tensor)
    images = rng.random((2, 64, 64, 3), np.float32)
    assert_same_logits(model, images, resnet_logits(images, tensors).numpy())


def mobilenet_v3_logits(images, tensors, blocks):
    """torchvision's MobileNetV3 in plain operators, by the names that tensors have.

    `blocks` are, for each, stride and whether it has hard-swish.
    """

    def conv(x, name, stride=1):
        kernel = tensors[f"{name}.0.weight"]
        amount = kernel.shape[-1] // 2
        x = tf.pad(x, ((0, 0), (amount, amount), (amount, amount), (0, 0)))
        if kernel.shape[1] == 1:
            kernel = kernel.transpose(2, 3, 0, 1)
            x = tf.nn.depthwise_conv2d(x, kernel, (1, stride, stride, 1), "VALID")
        else:
            x = tf.nn.conv2d(x, kernel.transpose(2, 3, 1, 0), stride, "VALID")
        scale, offset, mean, variance = (
            tensors[f"{name}.1.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3)

    def dense(x, name):
        kernel = tensors[f"{name}.weight"]
        return x @ kernel.reshape(kernel.shape[:2]).T + tensors[f"{name}.bias"]

    def hard_swish(x):
        return x * tf.nn.relu6(x + 3) / 6

    x = (images - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    x = hard_swish(conv(tf.cast(x, tf.float32), "features.0", 2))
    for number, (stride, has_swish) in enumerate(blocks, 1):
        name, before = f"features.{number}.block", x
        activate = hard_swish if has_swish else tf.nn.relu
        modules = len({t.split(".")[3] for t in tensors if t.startswith(f"{name}.")})
        squeezes = [i for i in range(modules) if f"{name}.{i}.fc1.weight" in tensors]
        # Expansion (if any), depthwise, squeeze-and-excite (if any), projection.
        depthwise = modules - 2 - len(squeezes)
        if depthwise:
            x = activate(conv(x, f"{name}.0"))
        x = activate(conv(x, f"{name}.{depthwise}", stride))
        for index in squeezes:
            gate = tf.reduce_mean(x, axis=(1, 2))
            gate = tf.nn.relu(dense(gate, f"{name}.{index}.fc1"))
            gate = tf.nn.relu6(dense(gate, f"{name}.{index}.fc2") + 3) / 6
            x *= gate[:, tf.newaxis, tf.newaxis]
        x = conv(x, f"{name}.{modules - 1}")
        if stride == 1 and before.shape[-1] == x.shape[-1]:
            x += before
    x = hard_swish(conv(x, f"features.{len(blocks) + 1}"))
    x = hard_swish(dense(tf.reduce_mean(x, axis=(1, 2)), "classifier.0"))
    return dense(x, "classifier.3")


# Of each network of torchvision: stride and hard-swish of its blocks; the tensors
# without counters, and some of their shapes.
MOBILENET_V3 = {
    "mobilenet_v3_large": (
        [*[(1, 0), (2, 0), (1, 0), (2, 0), (1, 0), (1, 0), (2, 1)], *[(1, 1)] * 5]
        + [(2, 1), (1, 1), (1, 1)],
        266,
        {
            "features.0.0.weight": (16, 3, 3, 3),
            "features.1.block.0.0.weight": (16, 1, 3, 3),
            "features.4.block.1.0.weight": (72, 1, 5, 5),
            "features.4.block.2.fc1.weight": (24, 72, 1, 1),
            "features.4.block.2.fc2.bias": (72,),
            "features.15.block.3.1.running_var": (160,),
            "features.16.0.weight": (960, 160, 1, 1),
            "classifier.0.weight": (1280, 960),
            "classifier.3.weight": (10, 1280),
        },
    ),
    "mobilenet_v3_small": (
        [*[(2, 0), (2, 0), (1, 0), (2, 1)], *[(1, 1)] * 4, (2, 1), (1, 1), (1, 1)],
        210,
        {
            "features.1.block.1.fc1.weight": (8, 16, 1, 1),
            "features.4.block.2.fc1.weight": (24, 96, 1, 1),
            "features.11.block.2.fc1.bias": (144,),
            "features.12.0.weight": (576, 96, 1, 1),
            "classifier.0.bias": (1024,),
        },
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MOBILENET_V3)
def test_a_mobilenet_v3_has_the_logits_of_the_published_network(name):
    rng = np.random.default_rng(0)
    trained, model = (
        registry.build(name, (128, 128, 3), 10, width=1.0, conventions=MOBILENET_3)
        for _ in "ab"
    )
    randomize(trained, rng)
    tensors = export_weights(trained, 1.0)
    blocks, count, shapes = MOBILENET_V3[name]
    assert len(tensors) == count
    assert {x: tensors[x].shape for x in shapes} == shapes
    import_weights(model, tensors, 1.0, SOURCE)
    for tensor, array in export_weights(model, 1.0).items():
        np.testing.assert_array_equal(array, tensors[tensor], err_msg=tensor)
    images = rng.random((2, 128, 128, 3), np.float32)
    assert_same_logits(
        model, images, mobilenet_v3_logits(images, tensors, blocks).numpy()
    )


# What torchvision calls a network, and what it is here.
TORCHVISION = {
    "shufflenet_v2_x0_5": ("shufflenet_v2", 0.5),
    "shufflenet_v2_x1_0": ("shufflenet_v2", 1.0),
    "shufflenet_v2_x1_5": ("shufflenet_v2", 1.5),
    "shufflenet_v2_x2_0": ("shufflenet_v2", 2.0),
    "mobilenet_v2": ("mobilenet_v2", 1.0),
    "resnet18": ("resnet18", 1.0),
    "resnet34": ("resnet34", 1.0),
    "resnet50": ("resnet50", 1.0),
    "mobilenet_v3_large": ("mobilenet_v3_large", 1.0),
    "mobilenet_v3_small": ("mobilenet_v3_small", 1.0),
}


# A program of its own: TensorFlow and PyTorch in one process crash it, by the order of
# their imports. It makes a network, gives its batch norms statistics that fit (those of
# one batch), and saves it with what it answers.
ASK_TORCHVISION = """
import sys
import numpy as np
import torch
import torchvision

published, folder = sys.argv[1:]
torch.manual_seed(0)
network = torchvision.models.get_model(published, weights=None, num_classes=10)
images = np.random.default_rng(0).random((8, 224, 224, 3), np.float32)
mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
normalized = ((images - mean) / deviation).astype(np.float32)
inputs = torch.from_numpy(np.ascontiguousarray(normalized.transpose(0, 3, 1, 2)))
for module in network.modules():
    if isinstance(module, torch.nn.BatchNorm2d):
        module.momentum = 1.0
with torch.no_grad():
    network.train()(inputs)
    logits = network.eval()(inputs[:2]).numpy()
torch.save(network.state_dict(), f"{folder}/weights.pth")
np.savez(f"{folder}/answers.npz", images=images[:2], logits=logits)
"""


@pytest.mark.slow
@pytest.mark.skipif(
    not importlib.util.find_spec("torchvision"), reason="torchvision is not installed"
)
@pytest.mark.parametrize("published", TORCHVISION)
def test_logits_are_those_of_torchvision_if_it_is_installed(published, tmp_path):
    command = [sys.executable, "-c", ASK_TORCHVISION, published, str(tmp_path)]
    subprocess.run(command, check=True)
    answers = np.load(tmp_path / "answers.npz")
    name, width = TORCHVISION[published]
    source = registry.NETWORKS[name].torch_weights
    assert source is not None
    model = registry.build(
        name, (224, 224, 3), 10, width=width, conventions=source.conventions
    )
    tensors = read_checkpoint(tmp_path / "weights.pth")
    import_weights(model, tensors, width, SOURCE)
    assert_same_logits(model, answers["images"], answers["logits"])
    for tensor, array in export_weights(model, width).items():
        np.testing.assert_array_equal(array, tensors[tensor], err_msg=tensor)


def test_symmetric_padding_centres_on_even_pixels():
    image = np.zeros((1, 32, 32, 3), np.float32)
    image[0, 4, 6] = 1
    x = inputs = keras.Input((32, 32, 3))
    symmetric = blocks.Conventions(padding="symmetric")
    x = symmetric.conv_bn(x, 1, 3, stride=2, name="conv")
    model = keras.Model(inputs, x)
    kernel = np.zeros((3, 3, 3, 1), np.float32)
    kernel[1, 1] = 1
    model.get_layer("conv").set_weights([kernel])
    assert np.argwhere(model(image).numpy()[0, :, :, 0] > 0.5).tolist() == [[2, 3]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("stage3.4.branch2.3.weight"), "no tensor 'stage3.4.branch2.3"),
        (lambda t: t.update(extra=np.zeros(3)), "a tensor 'extra', unknown"),
        (
            lambda t: t.update({"conv5.0.weight": np.zeros((1024, 192, 3, 3))}),
            r"'conv5.0.weight' has shape \(1024, 192, 3, 3\), expected \(1024, 192, 1",
        ),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(change, message):
    tensors = shufflenet_tensors(0.5, 10, np.random.default_rng(0))
    change(tensors)
    with pytest.raises(RequestError, match=message):
        imported_shufflenet(32, 0.5, tensors)


def test_another_width_is_refused_with_the_first_tensor_that_differs():
    tensors = shufflenet_tensors(1.0, 10, np.random.default_rng(0))
    with pytest.raises(RequestError, match="'stage2.0.branch1.2.weight' has shape"):
        imported_shufflenet(32, 0.5, tensors)
