"""Several workers train the model that one trains."""

import signal
import socket

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras, tf
from corallite.train.runs.run import Run
from corallite.train.training.distribute.workers import Workers

# Small steps: with large ones, the last bit of a float grows tenfold in a few steps.
TRAINING = (
    "--model=resnet8",
    "--image_size=32",
    "--epochs=6",
    "--batch_size=16",
    "--learning_rate=0.001",
)


@pytest.fixture
def train(programs, squares_dir):
    """A function that starts `corallite train`."""
    return lambda run_dir, *flags: programs.start(
        "train", f"--data_dir={squares_dir}", f"--run_dir={run_dir}", *TRAINING, *flags
    )


@pytest.fixture
def addresses():
    """A flag with two addresses of this machine that nothing listens on."""
    with socket.socket() as first, socket.socket() as second:
        for each in (first, second):
            each.bind(("127.0.0.1", 0))
        ports = [x.getsockname()[1] for x in (first, second)]
    return "--workers=" + ",".join(f"127.0.0.1:{port}" for port in ports)


@pytest.mark.slow
def test_two_train_as_one_even_if_one_is_killed(train, addresses, tmp_path):
    alone = train(tmp_path / "alone").finish()
    assert alone.returncode == 0, alone.stderr
    folder = tmp_path / "together"
    chief = train(folder, addresses, "--index=0")
    other = train(folder, addresses, "--index=1")
    killed = other.signal_after(
        lambda: "float epoch 1/6" in chief.stderr_path.read_text(), signal.SIGKILL
    )
    assert killed.returncode == -signal.SIGKILL
    left = chief.finish()
    assert left.returncode == 2
    assert "Worker 0 of 2 has lost another worker" in left.stderr.splitlines()[-1]
    again = [train(folder, addresses, f"--index={x}") for x in range(2)]
    first, second = (each.finish() for each in again)
    assert (first.returncode, second.returncode) == (0, 0), second.stderr
    # Only the chief writes the run and says so.
    assert "validation accuracy" in first.stdout and not second.stdout
    expected, found = (
        Run.open(x).first().metrics()["history"] for x in (tmp_path / "alone", folder)
    )
    assert len(found) == 6
    for ours, theirs in zip(found, expected, strict=True):
        # The order of a sum changes 1e-6 of a step, which is 1e-4 some steps later.
        assert ours["loss"] == pytest.approx(theirs["loss"], abs=1e-3)
        # Moving variances of shared batch norms lack the factor n / (n - 1).
        assert ours["val_loss"] == pytest.approx(theirs["val_loss"], abs=2e-2)


def test_a_model_is_placed_with_its_weights_and_shared_batch_norms():
    model = keras.Sequential(
        [
            keras.layers.Conv2D(4, 3, input_shape=(8, 8, 3)),
            keras.layers.BatchNormalization(),
        ]
    )
    model.layers[0].trainable = False
    alone, one = Workers(), Workers(strategy=tf.distribute.OneDeviceStrategy("/cpu:0"))
    assert alone.place(model) is model
    copy = one.place(model)
    for ours, theirs in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert [x.trainable for x in copy.layers] == [False, True]
    assert copy.layers[1].synchronized and not model.layers[1].synchronized


def test_classes_are_weighed_as_keras_weighs_them():
    one = Workers(strategy=tf.distribute.OneDeviceStrategy("/cpu:0"))
    labels = tf.constant([[1.0, 0.0], [0.2, 0.8]])
    batches = tf.data.Dataset.from_tensors((tf.zeros((2, 4, 4, 3)), labels))
    (batch,) = one.distribute(batches, {0: 0.5, 1: 3.0})["x"]
    np.testing.assert_allclose(batch[2], [0.5, 3.0])


def test_a_batch_that_cannot_be_divided_is_refused():
    class Three:
        num_replicas_in_sync = 3

    with pytest.raises(
        RequestError,
        match="of 16 images cannot be divided among 3 workers or GPUs; choose",
    ):
        Workers(count=3, strategy=Three()).require_batch(16)


def test_others_than_the_chief_get_a_copy_of_the_run(small_copy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("worker")
    chief, other = Workers(0, 2), Workers(1, 2, folder=folder)
    assert chief.open_run(small_copy).path == small_copy
    run = other.open_run(small_copy)
    assert run.path != small_copy
    names = [stage.name for stage in run.stages()]
    assert names == [stage.name for stage in Run.open(small_copy).stages()]
    assert run.first().sha256() == Run.open(small_copy).first().sha256()
