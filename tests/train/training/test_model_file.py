"""A model is written whole, without advice, and reads back the same."""

import logging

import numpy as np
import pytest

from corallite.train.framework.keras import keras
from corallite.train.models import registry
from corallite.train.training.model_file import save_model


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
