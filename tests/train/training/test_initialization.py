"""A network and its initial weights, as a run records them."""

import dataclasses

import numpy as np
import pytest
from fixtures.torch_checkpoints import write_checkpoint

from corallite.device.system.errors import RequestError
from corallite.train.models import registry
from corallite.train.models.network import Network
from corallite.train.models.networks import mobilenet_v2, resnet
from corallite.train.models.networks.mobilenet_v2 import TORCHVISION
from corallite.train.runs.record import hash_file
from corallite.train.training.initialization import initialize
from corallite.train.training.recipe import Transfer
from corallite.train.weights.torchvision import export_weights

NETWORK = Network("mobilenet_v2", 0.25, (32, 32))


@pytest.fixture
def checkpoint(tmp_path):
    model = registry.build("mobilenet_v2", (32, 32, 3), 5, width=0.25)
    write_checkpoint(tmp_path / "weights.pth", export_weights(model, 0.25))
    return tmp_path / "weights.pth"


def test_random_weights_are_not_recorded():
    initialization = initialize(NETWORK, None)
    assert initialization.network == NETWORK
    assert initialization.to_json() == {}
    fields = {"model": "mobilenet_v2", "width": 0.25, "size_hw": (32, 32)}
    assert NETWORK.to_json() == fields


@pytest.mark.parametrize(
    ("change", "argument"),
    [({"model": "vgg"}, "model"), ({"width": float("nan")}, "width")],
)
def test_a_network_that_cannot_be_built_is_refused_at_once(change, argument):
    network = dataclasses.replace(NETWORK, **change)
    with pytest.raises(RequestError, match=f"Expected `{argument}`"):
        initialize(network, None)


def test_weights_set_the_conventions_and_are_recorded(checkpoint):
    initialization = initialize(NETWORK, Transfer(str(checkpoint), is_frozen=True))
    digest = hash_file(checkpoint)[:16]
    assert initialization.to_json() == {"weights": digest, "frozen": True}
    assert initialization.network.conventions == TORCHVISION
    recorded = initialization.network.to_json()["conventions"]
    assert recorded == dataclasses.asdict(TORCHVISION)
    assert "conventions" not in NETWORK.to_json()


def test_the_network_normalizes_raw_pixels(checkpoint):
    model = initialize(NETWORK, Transfer(str(checkpoint))).build(5)
    normalized = model.get_layer("normalize")(np.ones((1, 1, 1, 3), np.float32))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    expected = (1 - np.array(mean)) / std
    np.testing.assert_allclose(normalized.numpy().ravel(), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("is_frozen", "classes", "expected"),
    [
        (None, 3, True),
        (False, 3, False),
        (True, 5, True),
        # The weights have a head of five classes, which is trained on.
        (None, 5, False),
    ],
)
def test_a_new_head_may_be_all_that_is_fitted(is_frozen, classes, expected, checkpoint):
    start = initialize(NETWORK, Transfer(str(checkpoint), is_frozen))
    assert start.may_freeze(classes) == expected
    assert start.decide(is_frozen=True).is_frozen == (is_frozen is not False)
    assert start.decide(is_frozen=False).is_frozen == (is_frozen is True)


def test_only_a_network_that_is_trained_can_be_taught(checkpoint):
    start = initialize(NETWORK, Transfer(str(checkpoint)))
    assert not start.for_teacher().may_freeze(3)
    assert not initialize(NETWORK, None).for_teacher().may_freeze(3)
    frozen = initialize(NETWORK, Transfer(str(checkpoint), is_frozen=True))
    with pytest.raises(RequestError, match="no layers for --teacher"):
        frozen.for_teacher()


def test_small_images_have_no_weights_to_freeze():
    with pytest.raises(RequestError, match="random below 96 pixels"):
        initialize(NETWORK, Transfer("auto", is_frozen=True))
    assert initialize(NETWORK, Transfer("auto")).pretrained is None


def test_a_network_of_other_widths_inherits_what_fits(tmp_path, monkeypatch):
    config = mobilenet_v2.configure(0.35)
    published = registry.build("mobilenet_v2", (96, 96, 3), 5, width=1.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    path = tmp_path / "corallite" / "weights" / mobilenet_v2.ENTRY.imagenet[1.0].name
    path.parent.mkdir(parents=True)
    write_checkpoint(path, export_weights(published, 1.0))
    network = Network("mobilenet_v2", 1.0, (96, 96), config=config)
    start = initialize(network, Transfer("auto"))
    assert not start.is_pretrained and not start.may_freeze(5)
    assert start.to_json() == {"weights": hash_file(path)[:16], "frozen": False}
    assert start.network == network  # Photos are not normalized otherwise.
    model = start.build(5)
    own, theirs = (x.get_layer("stem").get_weights()[0] for x in (model, published))
    np.testing.assert_array_equal(own, theirs[..., : own.shape[-1]])
    norms = [x for x in model.layers if x.name.endswith("_bn")]
    assert norms and all(x.trainable for x in norms)
    with pytest.raises(RequestError, match="do not fit a network of other widths"):
        initialize(network, Transfer("auto", is_frozen=True))


def test_a_network_of_other_widths_may_have_nothing_to_inherit():
    network = Network("resnet8", 1.0, (96, 96), config=resnet.RESNET8.configure(0.5))
    assert initialize(network, Transfer("auto")).pretrained is None
    with pytest.raises(RequestError, match="do not fit a network of other widths"):
        initialize(network, Transfer("imagenet"))


def test_weights_that_are_no_file_are_named_with_the_choices():
    network = Network("mobilenet_v2", 0.35, (32, 32))
    with pytest.raises(
        RequestError, match="--weights: none is neither .* random, auto"
    ):
        initialize(network, Transfer("none"))


def test_a_file_of_another_width_is_refused_at_once(checkpoint):
    network = Network("mobilenet_v2", 0.5, (32, 32))
    with pytest.raises(RequestError, match="expected .* for mobilenet_v2 0.5x"):
        initialize(network, Transfer(str(checkpoint)))
