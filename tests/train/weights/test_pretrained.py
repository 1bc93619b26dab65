"""Weights of every kind of file: known by content, given whole, or refused by name."""

import dataclasses
import functools
import zipfile

import h5py
import numpy as np
import pytest
from fixtures.torch_checkpoints import write_checkpoint

from corallite.device.system.errors import RequestError
from corallite.optimize.quantize.add_quantizers import add_quantizers
from corallite.train.framework.keras import keras
from corallite.train.models import registry
from corallite.train.models.blocks import OURS
from corallite.train.models.networks import mobilenet_v2, shufflenet_v2
from corallite.train.models.networks.mobilenet_v3 import TORCHVISION as MOBILENET_3
from corallite.train.training.model_file import save_model
from corallite.train.weights.pretrained import read_pretrained
from corallite.train.weights.torch_checkpoint import read_checkpoint
from corallite.train.weights.torchvision import export_weights

WIDTH = 0.25
CLASSES = 5
# A file of each kind that is known, by the network that it is of.
KINDS = {
    "shufflenet.pth": "shufflenet_v2",
    "mobilenet.pth": "mobilenet_v2",
    "lite0.pth": "efficientnet_lite0",
    "applications.h5": "mobilenet_v2",
    "model.h5": "shufflenet_v2",
}
# Of model.h5: as if it had itself begun with weights of torchvision's.
OWN = dataclasses.replace(shufflenet_v2.TORCHVISION, relu_limit=6.0)


@functools.cache
def build(name, like=OURS, width=WIDTH):
    """Builds a network once, which takes seconds; a test may set its weights."""
    return registry.build(name, (32, 32, 3), CLASSES, width=width, conventions=like)


def replace_head(model, num_classes):
    """Returns a network of the same layers, but for those behind the pool."""
    pooled = model.get_layer("logits").input
    logits = keras.layers.Dense(num_classes, name="logits")(pooled)
    answer = keras.layers.Softmax(name="probabilities")(logits)
    return keras.Model(model.input, answer, name=model.name)


def fill(model, make):
    """Sets all arrays to `make(shape)` but those that the conventions set."""
    for layer in model.layers:
        if layer.name != "normalize":
            layer.set_weights([make(array.shape) for array in layer.get_weights()])


def write_applications(model, path):
    """Writes our MobileNetV2 in the form that keras.applications' weights have."""
    names = {"logits": "predictions"}
    for x in mobilenet_v2.keras_layers(mobilenet_v2.configure(WIDTH)):
        names |= {x.layer: x.convolution, f"{x.layer}_bn": x.norm}
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [n.encode() for n in (*names.values(), "pool")]
        file.create_group("pool").attrs["weight_names"] = []
        for ours, theirs in names.items():
            group = file.create_group(theirs)
            arrays = model.get_layer(ours).get_weights()
            parts = [f"{theirs}/{number}" for number in range(len(arrays))]
            group.attrs["weight_names"] = [part.encode() for part in parts]
            for part, array in zip(parts, arrays, strict=True):
                group[part] = array


@pytest.fixture(scope="module")
def file_of(tmp_path_factory):
    """A function that makes a file of a kind, once.

    It returns its path, the network's name, its conventions and its weights.
    """
    folder = tmp_path_factory.mktemp("weights")

    @functools.cache
    def make(kind):
        path, name = folder / kind, KINDS[kind]
        source = registry.NETWORKS[name].torch_weights
        like = source.conventions if source and kind != "model.h5" else OWN
        if kind == "applications.h5":
            like = mobilenet_v2.KERAS_APPLICATIONS
        model = build(name, like)
        rng = np.random.default_rng(0)
        fill(model, lambda shape: rng.random(shape, np.float32))
        if path.suffix == ".pth":
            write_checkpoint(path, export_weights(model, WIDTH))
        elif kind == "model.h5":
            save_model(model, path)
        else:
            write_applications(model, path)
        return path, name, like, model.get_weights()

    return make


@pytest.mark.parametrize("kind", KINDS)
def test_the_whole_network_is_taken_over_with_its_conventions(kind, file_of):
    path, name, like, weights = file_of(kind)
    pretrained = read_pretrained(path, name, WIDTH)
    assert pretrained.conventions == like
    assert pretrained.num_classes == CLASSES
    model = build(name, like)
    fill(model, np.zeros)
    pretrained.give_to(model)
    for given, expected in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_head_of_other_classes_is_left_as_it_is(kind, file_of):
    path, name, like, weights = file_of(kind)
    model = replace_head(build(name, like), num_classes=3)
    fill(model, np.ones)
    head = model.get_layer("logits").get_weights()
    read_pretrained(path, name, WIDTH).give_to(model)
    # The head's two arrays are the last.
    for given, expected in zip(
        model.get_weights(), [*weights[:-2], *head], strict=True
    ):
        np.testing.assert_array_equal(given, expected)


def refuse(path, name, width=WIDTH, num_classes=CLASSES):
    """Returns the one sentence that a file is refused with."""
    with pytest.raises(RequestError) as refused:
        pretrained = read_pretrained(path, name, width)
        model = build(name, pretrained.conventions, width)
        if num_classes != CLASSES:
            model = replace_head(model, num_classes)
        pretrained.give_to(model)
    sentence = str(refused.value)
    assert str(path) in sentence
    assert "\n" not in sentence
    return sentence


OTHER_NETWORKS = {
    "shufflenet.pth": ("mobilenet_v2", "no tensor 'features.0.0.weight', expected"),
    "mobilenet.pth": ("efficientnet_lite0", "no tensor '_conv_stem.weight', expected"),
    "lite0.pth": ("shufflenet_v2", "no tensor 'conv1.0.weight', expected"),
    "applications.h5": ("shufflenet_v2", "no layer 'stem', expected of shufflenet_v2"),
    "model.h5": ("mobilenet_v2", "'stem' has shape [(3, 3, 3, 24)], expec"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_another_network_is_refused_by_its_first_tensor(kind, file_of):
    name, words = OTHER_NETWORKS[kind]
    assert words in refuse(file_of(kind)[0], name)


OTHER_WIDTHS = {
    "shufflenet.pth": "'stage2.0.branch1.2.weight' has shape (14, 24, 1, 1), expected",
    "mobilenet.pth": "'features.0.0.weight' has shape (8, 3, 3, 3), expected (16, 3,",
    "lite0.pth": "'_blocks.1._project_conv.weight' has shape (8, 48, 1, 1), expected",
    "applications.h5": "'Conv1' has shape [(3, 3, 3, 8)], expected [(3, 3,",
    "model.h5": "'stage2_unit0_branch_in' has shape [(1, 1, 24, 14)], expec",
}


@pytest.mark.parametrize("kind", KINDS)
def test_another_width_is_refused_by_its_first_tensor(kind, file_of):
    path, name, *_ = file_of(kind)
    sentence = refuse(path, name, width=0.5)
    assert OTHER_WIDTHS[kind] in sentence
    assert f"{name} 0.5x" in sentence


def change_tensors(change):
    """Returns what rewrites a checkpoint, its tensors changed."""

    def rewrite(path):
        tensors = read_checkpoint(path)
        change(tensors)
        write_checkpoint(path, tensors)

    return rewrite


def change_layers(change):
    """Returns what changes the layers of an `.h5` file."""

    def rewrite(path):
        with h5py.File(path, "r+") as file:
            root = file.get("model_weights", file)
            change(root)
            root.attrs["layer_names"] = [name.encode() for name in root]

    return rewrite


def add_layer(root):
    group = root.create_group("extra")
    group.attrs["weight_names"] = [b"kernel"]
    group["kernel"] = np.zeros(3)


def replace_normalization(root):
    """Puts what Keras's own layer of that kind keeps: mean, variance, count."""
    del root["normalize"]
    group = root.create_group("normalize")
    group.attrs["weight_names"] = [b"mean", b"variance", b"count"]
    for name in ("mean", "variance", "count"):
        group[name] = np.ones(3)


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize(
    ("kind", "change", "words"),
    [
        (
            "shufflenet.pth",
            change_tensors(lambda tensors: tensors.pop("fc.bias")),
            "no tensor 'fc.bias', expected of shufflenet_v2 0.25x with shape (",
        ),
        (
            "mobilenet.pth",
            change_tensors(lambda tensors: tensors.update(extra=np.zeros(3))),
            "a tensor 'extra', unknown to mobilenet_v2 0.25x",
        ),
        (
            "lite0.pth",
            change_tensors(lambda tensors: tensors.update({"_bn0.bias": np.zeros(9)})),
            "'_bn0.bias' has shape (9,), expected (32,)",
        ),
        ("lite0.pth", truncate, "is not a complete PyTorch checkpoint"),
        (
            "applications.h5",
            change_layers(lambda root: root.pop("block_3_depthwise")),
            "no layer 'block_3_depthwise', expected of mobilenet_v2 0.25x with shape",
        ),
        (
            "applications.h5",
            change_layers(add_layer),
            "a layer 'extra', unknown to mobilenet_v2 0.25x",
        ),
        ("applications.h5", truncate, "is not a complete file of Keras weights"),
        (
            "model.h5",
            change_layers(lambda root: root.pop("stem_bn")),
            "no layer 'stem_bn', expected of shufflenet_v2 0.25x with shape",
        ),
        (
            "model.h5",
            change_layers(replace_normalization),
            "a layer 'normalize', unknown to shufflenet_v2 0.25x",
        ),
        (
            "model.h5",
            change_layers(add_layer),
            "a layer 'extra', unknown to shuff",
        ),
        ("model.h5", truncate, "is not a complete file of Keras weights"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(kind, change, words, file_of, tmp_path):
    whole, name, *_ = file_of(kind)
    path = tmp_path / kind
    path.write_bytes(whole.read_bytes())
    change(path)
    # A head that gives way to another has to be whole all the same.
    assert words in refuse(path, name, num_classes=3)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff\xe0" * 100, b"{}"])
def test_a_file_of_another_kind_is_refused(content, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    assert "holds no weights; give a PyTorch" in refuse(path, "shufflenet_v2")


def make_zip(path, *names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"x")


def test_our_file_has_its_rectifiers_limit_whichever_is_the_first(tmp_path):
    # Of MobileNetV3 the stem has none; hard-sigmoid's limit is always 6.
    model = build("mobilenet_v3_small", MOBILENET_3)
    save_model(model, tmp_path / "model.h5")
    pretrained = read_pretrained(tmp_path / "model.h5", "mobilenet_v3_small", WIDTH)
    assert pretrained.conventions == MOBILENET_3


def test_models_in_other_formats_are_named_with_what_is_accepted(tmp_path):
    keras_3, arrays, photos = (tmp_path / x for x in ("x.keras", "x.npz", "x.zip"))
    make_zip(keras_3, "metadata.json", "config.json", "model.weights.h5")
    make_zip(arrays, "arr_0.npy")
    make_zip(photos, "cat.jpg")
    lite, onnx = tmp_path / "x.tflite", tmp_path / "x.onnx"
    lite.write_bytes(b"\x1c\0\0\0TFL3" + bytes(100))
    onnx.write_bytes(b"\x08\x08\x12\x07pytorch" + bytes(100))
    for path, words in [
        (keras_3, "x.keras is a model of Keras 3; load it with Keras and save"),
        (arrays, "x.npz is a NumPy archive; give a PyTorch checkpoint"),
        (photos, "x.zip is a zip archive; give a PyTorch checkpoint"),
        (lite, "x.tflite is a TFLite model; give a PyTorch checkpoint"),
        (onnx, "x.onnx is an ONNX model; give a PyTorch checkpoint"),
        (tmp_path, f"{tmp_path} is a folder; give a PyTorch checkpoint"),
    ]:
        message = refuse(path, "shufflenet_v2")
        assert words in message
        assert message.endswith("or the model.h5 of a run.")


def test_hdf5_of_weights_alone_names_what_is_accepted(tmp_path):
    path = tmp_path / "x.weights.h5"
    with h5py.File(path, "w") as file:
        file.create_group("layers")
    assert "or the model.h5 of a run" in refuse(path, "shufflenet_v2")


def test_a_quantized_model_is_refused(tmp_path):
    image = keras.Input((32, 32, 3), name="image")
    x = keras.layers.Conv2D(8, 3, 2, name="stem")(image)
    x = keras.layers.ReLU(6.0, name="stem_relu")(x)
    path = tmp_path / "model.h5"
    save_model(add_quantizers(keras.Model(image, x)), path)
    assert "no layer 'stem', expected" in refuse(path, "shufflenet_v2")


def test_a_network_without_published_weights_takes_its_own(file_of, monkeypatch):
    path = file_of("shufflenet.pth")[0]
    entry = dataclasses.replace(shufflenet_v2.ENTRY, torch_weights=None)
    monkeypatch.setitem(registry.NETWORKS, "shufflenet_v2", entry)
    assert "there is none of shufflenet_v2" in refuse(path, "shufflenet_v2")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="none"):
        read_pretrained(tmp_path / "none.pth", "shufflenet_v2", WIDTH)
