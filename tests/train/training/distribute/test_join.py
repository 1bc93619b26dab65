"""Addresses and TF_CONFIG are checked before anything waits for another process."""

import json

import pytest

from corallite.device.system.errors import RequestError
from corallite.train.training.distribute.join import join

TWO = ["a:1", "b:2"]


@pytest.fixture(autouse=True)
def no_variable(monkeypatch):
    monkeypatch.setenv("TF_CONFIG", "")


@pytest.mark.parametrize(
    ("addresses", "index", "message"),
    [
        (None, 0, "--index needs --workers"),
        (TWO, None, "--workers needs --index=0 to 1"),
        (TWO, 2, "--index=2: Expected 0 to 1 for 2 workers"),
        (["a:1", "b"], 0, "Expected host:port, got 'b'"),
        (["a:1", ":2"], 0, "Expected host:port, got ':2'"),
        (["a:1", "b:70000"], 0, "Expected host:port, got 'b:70000'"),
        (["a:1", "a:1"], 0, "has an address twice"),
    ],
)
def test_wrong_flags_are_refused(addresses, index, message):
    with pytest.raises(RequestError, match=message), join(addresses, index):
        pass


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "TF_CONFIG is not valid"),
        ("{}", "TF_CONFIG is not valid"),
        (
            json.dumps(
                {
                    "cluster": {"worker": TWO, "ps": ["c:3"]},
                    "task": {"type": "worker", "index": 0},
                }
            ),
            "tasks other than workers",
        ),
    ],
)
def test_a_wrong_variable_is_refused(config, message, monkeypatch):
    monkeypatch.setenv("TF_CONFIG", config)
    with pytest.raises(RequestError, match=message), join(None, None):
        pass


def test_one_worker_trains_alone(monkeypatch):
    one = {"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 0}}
    monkeypatch.setenv("TF_CONFIG", json.dumps(one))
    with join(None, None) as workers:
        assert (workers.count, workers.strategy, workers.is_chief) == (1, None, True)
