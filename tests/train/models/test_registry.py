"""A network needs one file and one entry."""

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras
from corallite.train.models import blocks, registry
from corallite.train.models.entry import NetworkEntry
from corallite.train.training.model_file import save_model
from corallite.train.weights.imagenet import locate_imagenet
from corallite.train.weights.pretrained import read_pretrained


def toy(input_shape, num_classes, *, width=1.0, config=None, conventions=blocks.OURS):
    image, x = blocks.input_image(input_shape, conventions)
    filters = config or configure(width)
    x = conventions.conv_bn(x, filters, 3, name="stem")
    x = blocks.classifier_head(x, num_classes)
    return keras.Model(image, x, name="toy")


def configure(width):
    return int(8 * width)


@pytest.fixture
def entry(monkeypatch):
    entry = NetworkEntry(toy, configure, smallest_side=16)
    monkeypatch.setitem(registry.NETWORKS, entry.name, entry)
    return entry


def test_an_entry_is_built_by_its_name(entry):
    model = registry.build("toy", (16, 16, 3), 2, width=0.5)
    assert model.get_layer("stem").filters == 4
    with pytest.raises(RequestError, match="at least 16 pixels"):
        registry.build("toy", (15, 16, 3), 2, width=0.5)


def test_an_entry_without_sources_takes_weights_of_its_own(entry, tmp_path):
    first, second = (registry.build("toy", (16, 16, 3), 2, width=1.0) for _ in "ab")
    save_model(first, tmp_path / "model.h5")
    read_pretrained(tmp_path / "model.h5", "toy", 1.0).give_to(second)
    for mine, given in zip(second.get_weights(), first.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, given)
    with pytest.raises(RequestError, match="of toy are published for no width, got 1"):
        locate_imagenet("toy", 1.0)
