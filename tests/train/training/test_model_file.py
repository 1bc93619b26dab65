"""A model is written whole, without advice, and reads back the same."""

import json
import logging
import os

import h5py
import numpy as np
import pytest
from fixtures.hostile_keras import change_config, write_lambda

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras, tf
from corallite.train.models import registry
from corallite.train.training.model_file import load_model, save_model


@pytest.fixture
def model():
    return registry.build("shufflenet_v2", (32, 32, 3), 3, width=0.25)


@pytest.mark.parametrize("is_compiled", [True, False])
def test_a_model_reads_back_the_same(model, is_compiled, tmp_path, caplog, capfd):
    if is_compiled:
        model.compile("sgd", "mse", metrics=["accuracy"])
    save_model(model, tmp_path / "model.h5")
    # Keras's advice would come as a warning, which is an error here, or as a log line.
    assert caplog.text == ""
    assert capfd.readouterr().err == ""
    loaded = keras.models.load_model(tmp_path / "model.h5", compile=False)
    images = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    np.testing.assert_array_equal(loaded(images), model(images))


def test_keras_may_warn_of_other_things_afterwards(model, tmp_path, caplog):
    save_model(model, tmp_path / "model.h5")
    logging.getLogger("tensorflow").warning("compiled metrics have yet to be built")
    assert "yet to be built" in caplog.text


def test_a_model_that_cannot_be_written_leaves_the_former(model, tmp_path, monkeypatch):
    path = tmp_path / "model.h5"
    path.write_bytes(b"former")

    def fail(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="No space left") as caught:
        save_model(model, path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == b"former"
    assert [p.name for p in tmp_path.iterdir()] == ["model.h5"]


def test_a_lambda_is_refused_and_does_not_run(tmp_path):
    path, created = tmp_path / "model.h5", tmp_path / "created"
    write_lambda(path, created)
    with pytest.raises(RequestError, match="has the class 'Lambda', which could exec"):
        load_model(path)
    assert not created.exists()
    # The payload is a real one.
    keras.models.load_model(path, compile=False)
    assert created.exists()


@pytest.fixture
def small():
    layers = keras.layers
    image = keras.Input((8, 8, 3))
    x = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(image))
    return keras.Model(image, layers.Dense(2, activation="softmax")(x))


def test_the_state_of_an_optimizer_and_of_metrics_is_not_read(small, tmp_path):
    path, created = tmp_path / "model.h5", tmp_path / "created"
    save_model(small, path)
    write_lambda(tmp_path / "lambda.h5", created)
    with h5py.File(tmp_path / "lambda.h5") as other, h5py.File(path, "r+") as file:
        payload = json.loads(other.attrs["model_config"])
        compiled = {"optimizer_config": payload, "loss": payload, "metrics": [payload]}
        file.attrs["training_config"] = json.dumps(compiled)
    assert load_model(path).optimizer is None
    assert not created.exists()


def write_saved_model(path):
    tf.saved_model.save(tf.Module(), str(path))


def write_keras_archive(path):
    keras.Sequential([keras.layers.Dense(1, input_shape=(1,))]).save(
        path.with_suffix(".keras")
    )
    path.with_suffix(".keras").rename(path)


@pytest.mark.parametrize("name", ["model.h5", "model.keras"])
@pytest.mark.parametrize("write", [write_saved_model, write_keras_archive, os.mkfifo])
def test_another_kind_of_file_is_refused(write, name, tmp_path):
    write(tmp_path / name)
    with pytest.raises(RequestError, match=r"is not a complete Keras model \("):
        load_model(tmp_path / name)


def name_an_unknown_layer(config):
    config["config"]["layers"][1]["class_name"] = "corallite>Unknown"


def give_nonsense_as_activation(config):
    config["config"]["layers"][-1] = {"class_name": "Activation", "config": {"x": 1}}


def leave_out_the_layers(config):
    config["config"]["layers"] = []


def nest_deeply(config):
    layer = config["config"]["layers"][1]
    for _ in range(30):
        layer = {"class_name": "Sequential", "config": {"layers": [layer]}}
    config["config"]["layers"][1] = layer


@pytest.mark.parametrize(
    "change",
    [
        name_an_unknown_layer,
        give_nonsense_as_activation,
        leave_out_the_layers,
        nest_deeply,
        lambda config: config.pop("config"),
        lambda config: config.update(class_name=["Functional"]),
    ],
)
def test_a_damaged_description_is_refused(change, small, tmp_path):
    save_model(small, tmp_path / "model.h5")
    change_config(tmp_path / "model.h5", change)
    with pytest.raises(RequestError, match=r"is not a complete Keras model \("):
        load_model(tmp_path / "model.h5")
