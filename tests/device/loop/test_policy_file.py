"""Policy files: what they choose, and the sentences for damaged ones."""

import copy
import json
import re
from typing import Any

import pytest
from fixtures.cascade import pair

from corallite.device.board.sensors import Board
from corallite.device.engine.cascade.two_models import CascadeEngine
from corallite.device.engine.classifier import Classifier
from corallite.device.loop.motion import MotionGate
from corallite.device.loop.policy import NetworkPolicy, RulePolicy
from corallite.device.loop.policy_file import open_policy, read_policy
from corallite.device.system.errors import RequestError

__all__ = ["pair"]
CHOICES = [
    {"model": "first", "fps": 2, "latency_ms": 20, "watts": 2.7, "accuracy": 0.76},
    {"model": "first", "fps": 10, "latency_ms": 20, "watts": 3.4, "accuracy": 0.76},
    {"model": "both", "fps": 20, "latency_ms": 32, "watts": 5.4, "accuracy": 0.85},
]
RULE: dict[str, Any] = {
    "format": 1,
    "limits": {"temperature_c": 80, "latency_ms": 100, "watts": 6},
    "choices": CHOICES,
}
LAYER = {"weights": [[0, 0, 0], [1, 0, 0], [0, 0, 1]], "bias": [0, 0, 0]}
WIDE = {"weights": [[0, 0]], "bias": [0]}
NETWORK = {**RULE, "network": [LAYER]}


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "policy.json"
        text = content if isinstance(content, str) else json.dumps(content)
        path.write_text(text)
        return path

    return write


def test_file_without_a_network_is_the_rule(write):
    found = read_policy(write(RULE))
    assert isinstance(found.policy, RulePolicy) and found.max_temperature_c == 80
    assert [choice.fps for choice in found.choices] == [2, 10, 20]
    assert found.policy.choose(60, 1.0) == 2


def test_choices_beyond_a_limit_are_never_used(write):
    for name, value, left in (("watts", 5, [2, 10]), ("latency_ms", 25, [2, 10])):
        content = copy.deepcopy(RULE)
        content["limits"][name] = value
        assert [x.fps for x in read_policy(write(content)).choices] == left
    content = copy.deepcopy(NETWORK)
    content["limits"]["watts"] = 3
    found = read_policy(write(content))
    assert isinstance(found.policy, NetworkPolicy)
    assert found.policy.choose(100, 1.0) == 0 and len(found.choices) == 1


def test_network_of_a_file_chooses(write):
    policy = read_policy(write(NETWORK)).policy
    assert policy.choose(100, 0.5) == 1 and policy.choose(60, 0.5) == 2


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"format": 2}, "its format is not 1"),
        ({"limits": {}}, "'temperature_c' is missing"),
        ({"limits": {"temperature_c": "hot"}}, "could not convert"),
        ({"limits": {"temperature_c": 80, "watts": 1}}, "no choice is within"),
        ({"choices": []}, "it has not 1 to 100 choices"),
        ({"choices": CHOICES[::-1]}, "not in rising order of watts"),
        ({"choices": [{**CHOICES[0], "model": "third"}]}, "'third' is not first"),
        ({"choices": [{**CHOICES[0], "fps": 0}]}, "0 frames/s"),
        ({"choices": [{**CHOICES[0], "watts": -1}]}, "-1 is not a number"),
        ({"choices": [{**CHOICES[0], "watts": True}]}, "True is not a number"),
        ({"choices": [{"model": "first"}]}, "'fps' is missing"),
        ({"network": []}, "1 to 8 layers"),
        ({"network": [{**LAYER, "bias": [0]}]}, "does not take 3"),
        ({"network": [{**LAYER, "weights": [[0], [1], [0]]}]}, "does not take 3"),
        ({"network": [LAYER, WIDE]}, "layer 2 of its network does not take 3"),
        ({"network": [{"weights": [[0, 0, 0]], "bias": [0]}]}, "1 scores for 3"),
        ({"network": [{**LAYER, "bias": [0, 0, 1e999]}]}, "policy"),
    ],
)
def test_damaged_file_is_refused_in_a_sentence(write, changes, why):
    path = write({**RULE, **changes})
    with pytest.raises(RequestError, match=re.escape(why)) as caught:
        read_policy(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: is not a policy (") and "\n" not in text


@pytest.mark.parametrize("text", ["", "[]", "[1", "null", '{"format": 1'])
def test_file_that_is_no_policy_is_refused(write, text):
    with pytest.raises(RequestError, match="is not a policy"):
        read_policy(write(text))


def test_missing_file_is_named(tmp_path):
    with pytest.raises(RequestError, match="none.json: cannot be read"):
        read_policy(tmp_path / "none.json")


def test_policy_switches_between_two_models(write, pair):
    engine = CascadeEngine(Classifier(pair[0]), Classifier(pair[1]))
    throttle = open_policy(write(RULE), engine, None)
    assert engine.use.mode == "both"
    throttle.update(Board(temperature_c=81), fps=20)
    assert engine.use.mode == "first" and throttle.limit_fps == 2


def test_policy_of_two_models_needs_two(write, pair):
    path, engine = write(RULE), Classifier(pair[0])
    with pytest.raises(RequestError, match="give the second one with --then"):
        open_policy(path, engine, None)
    content = {**RULE, "choices": CHOICES[:2]}
    assert open_policy(write(content), engine, MotionGate()).limit_fps == 10
