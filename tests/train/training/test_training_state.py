"""What is saved of a training is restored whole, or refused."""

import json
import os

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras, tf
from corallite.train.runs.record import read_header
from corallite.train.training.objectives import Objective
from corallite.train.training.training_state import Progress, TrainingState

INPUTS = {"epochs": 4, "size_hw": (8, 8)}


def make_model(seed):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential([keras.layers.Dense(2, input_shape=(3,), name="d")])
    model.compile(keras.optimizers.AdamW(0.1), "mse")
    return model


ACCURACY = Objective(None, tf.identity, "accuracy", higher_is_better=True)


@pytest.fixture(scope="module")
def trained():
    model = make_model(0)
    rng = np.random.default_rng(0)
    model.fit(rng.random((8, 3)), rng.random((8, 2)), verbose=0)
    return model


@pytest.fixture
def saved(trained, tmp_path):
    state = TrainingState(tmp_path / "state.npz", INPUTS)
    state.end_epoch(trained, {"loss": 0.5, "val_accuracy": 0.75}, ACCURACY)
    state.save(trained)
    return state


def assert_same(arrays, expected):
    assert len(arrays) == len(expected) > 0
    for mine, theirs in zip(arrays, expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_weights_optimizer_and_progress_come_back(saved, trained):
    model, state = make_model(1), TrainingState(saved.path, INPUTS)
    state.restore(model)
    assert_same(model.get_weights(), trained.get_weights())
    assert_same(
        [variable.numpy() for variable in model.optimizer.variables],
        [variable.numpy() for variable in trained.optimizer.variables],
    )
    assert int(model.optimizer.iterations) == 1
    assert state.progress == saved.progress
    assert_same(state.best_weights, saved.best_weights)


def test_the_header_alone_tells_what_the_state_is_of(saved):
    assert read_header(saved.path) == {
        "inputs": json.loads(json.dumps(INPUTS)),
        "history": [{"loss": 0.5, "val_accuracy": 0.75}],
        "best_epoch": 0,
    }
    assert read_header(saved.path.with_name("none.npz")) is None


@pytest.mark.parametrize("inputs", [{**INPUTS, "epochs": 5}, {}])
def test_a_state_of_other_inputs_changes_nothing(saved, inputs):
    model, state = make_model(1), TrainingState(saved.path, inputs)
    weights = model.get_weights()
    state.restore(model)
    assert_same(model.get_weights(), weights)
    assert state.progress == Progress()


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


def empty(path):
    path.write_bytes(b"")


def write_nonsense(path):
    path.write_bytes(b"no archive" * 100)


def flip_a_weight(path):
    content = bytearray(path.read_bytes())
    position = content.index(b"weight_0.npy") + 160
    content[position] ^= 255
    path.write_bytes(content)


def change_shapes(path):
    with np.load(path) as arrays:
        content = dict(arrays)
    np.savez(path, **{**content, "weight_0": np.zeros((7, 7))})


class CreatesFile:
    """Unpickling it creates a file."""

    def __reduce__(self):
        return os.mkdir, (CREATED,)


CREATED = "created by unpickling"


def pickle_a_weight(path):
    with np.load(path) as arrays:
        content = dict(arrays)
    payload = np.array([CreatesFile()], object)
    np.savez(path, **{**content, "weight_0": payload})


def test_a_pickle_in_a_state_is_not_loaded(saved, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pickle_a_weight(saved.path)
    with pytest.raises(RequestError, match="state.npz is damaged"):
        TrainingState(saved.path, INPUTS).restore(make_model(1))
    assert not (tmp_path / CREATED).exists()


@pytest.mark.parametrize(
    "damage", [truncate, empty, write_nonsense, flip_a_weight, change_shapes]
)
def test_a_damaged_state_is_named_with_its_remedy(saved, damage):
    damage(saved.path)
    state = TrainingState(saved.path, INPUTS)
    message = "state.npz is damaged .* remove the file to start this stage again"
    with pytest.raises(RequestError, match=message):
        state.restore(make_model(1))


def test_the_best_epoch_is_the_first_of_equals(trained, tmp_path):
    state = TrainingState(tmp_path / "state.npz", INPUTS)
    for accuracy in (0.5, 0.75, 0.75, 0.25):
        state.end_epoch(trained, {"val_accuracy": accuracy}, ACCURACY)
    assert state.progress.best_epoch == 1
    assert state.progress.best == {"val_accuracy": 0.75}
    assert [state.progress.has_stalled(patience) for patience in (0, 1, 2, 3)] == [
        False,
        True,
        True,
        False,
    ]


def test_nothing_has_stalled_before_it_began():
    assert not Progress().has_stalled(1)
