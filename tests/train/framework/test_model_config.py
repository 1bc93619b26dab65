"""A Keras file is compared with a list of classes before Keras sees it."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.train.framework.model_config import read_model_config

PLAIN = {"class_name": "Conv2D", "config": {"name": "stem", "filters": 3}}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.h5"


def model_of(*layers, **others):
    return {"class_name": "Functional", "config": {"layers": layers}, **others}


def write(path, config):
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(config)
        file["model_weights/stem/kernel"] = np.zeros(3)


def read(path):
    with h5py.File(path, "r") as file:
        return read_model_config(file, path)


@pytest.mark.parametrize(
    "layer",
    [
        PLAIN,
        {**PLAIN, "module": "keras.layers", "registered_name": None},
        {"class_name": "corallite>ChannelSlice", "config": {}},
        {"class_name": "Sequential", "config": {"layers": [PLAIN]}},
    ],
)
def test_plain_layers_and_ours_are_accepted(path, layer):
    write(path, model_of(layer))
    assert read(path) == json.loads(json.dumps(model_of(layer)))


@pytest.mark.parametrize(
    ("entry", "named"),
    [
        ({"class_name": "Lambda", "config": {}}, "the class 'Lambda'"),
        (
            {"class_name": "__lambda__", "config": {"value": "4wE="}},
            "the class '__lambda__'",
        ),
        ({"class_name": "TFOpLambda", "config": {}}, "the class 'TFOpLambda'"),
        (
            {"class_name": "TensorFlowOpLayer", "config": {}},
            "the class 'TensorFlowOpLayer'",
        ),
        (
            {"class_name": "SlicingOpLambda", "config": {}},
            "the class 'SlicingOpLambda'",
        ),
        ({"class_name": "function", "config": "system"}, "the class 'function'"),
        ({"class_name": "TypeSpec", "type_spec": "x"}, "the class 'TypeSpec'"),
        ({"class_name": "other>Layer", "config": {}}, "the class 'other>Layer'"),
        ({"class_name": "x" * 100, "config": {}}, f"the class '{'x' * 60}...'"),
        ({**PLAIN, "module": "os"}, "a class of the module 'os'"),
        ({**PLAIN, "module": "keras_evil"}, "a class of the module 'keras_evil'"),
        ({**PLAIN, "registered_name": "other>Layer"}, "the class 'other>Layer'"),
    ],
)
def test_another_class_is_refused_wherever_it_is(path, entry, named):
    places = [
        model_of(PLAIN, entry),
        model_of({**PLAIN, "config": {"kernel_initializer": entry}}),
        model_of({"class_name": "Sequential", "config": [PLAIN, entry]}),
        model_of({**PLAIN, "inbound_nodes": [[["input", 0, 0, {"x": entry}]]]}),
        model_of(PLAIN, build_config=entry),
    ]
    for config in places:
        write(path, config)
        with pytest.raises(RequestError, match="could execute code when") as refused:
            read(path)
        assert f"{path}: has {named}, which" in str(refused.value)


def test_a_deeply_nested_description_is_a_value_error(path):
    config = PLAIN
    for _ in range(100):
        config = model_of(config)
    write(path, config)
    with pytest.raises(ValueError, match="more than 64 levels"):
        read(path)


def test_weights_alone_have_no_description(path):
    with h5py.File(path, "w") as file:
        file["stem/kernel"] = np.zeros(3)
    assert read(path) is None


def add_external_link(group: h5py.Group, other: Path) -> None:
    group["stolen"] = h5py.ExternalLink(other, "/secret")


def add_external_data(group: h5py.Group, other: Path) -> None:
    group.create_dataset("stolen", (8,), "u1", external=[(other, 0, 8)])


def add_virtual_data(group: h5py.Group, other: Path) -> None:
    layout = h5py.VirtualLayout((3,), "u1")
    layout[:] = h5py.VirtualSource(other, "secret", (3,))
    group.create_virtual_dataset("stolen", layout)


@pytest.mark.parametrize(
    "add", [add_external_link, add_external_data, add_virtual_data]
)
def test_weights_in_another_file_are_refused(path, tmp_path, add):
    write(path, model_of(PLAIN))
    with h5py.File(path, "r+") as file:
        file["model_weights/circle"] = file["/"]
        add(file["model_weights/stem"], tmp_path / "other")
    with pytest.raises(RequestError, match=r"weights that are in another file \('sto"):
        read(path)


def test_weights_that_are_not_in_the_file_are_refused(path):
    write(path, model_of(PLAIN))
    with h5py.File(path, "r+") as file:
        chunks = {"chunks": (10**6,), "dtype": "f4"}
        file.create_dataset("model_weights/stem/huge", (2 * 10**9,), **chunks)
    assert path.stat().st_size < 10**6
    with pytest.raises(RequestError, match=r"weights of 8,000 MB of which it holds 0"):
        read(path)


def test_compressed_weights_are_accepted(path):
    write(path, model_of(PLAIN))
    weights = np.random.default_rng(0).random(10**6, np.float32)
    weights[: 9 * 10**5] = 0  # As after pruning.
    with h5py.File(path, "r+") as file:
        file.create_dataset("model_weights/stem/a", data=weights, compression="gzip")
    assert read(path)
