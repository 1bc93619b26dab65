"""What policies choose, and how a choice reaches the loop."""

import numpy as np
import pytest

from corallite.device.board.sensors import Board
from corallite.device.loop.policy import (
    Choice,
    NetworkPolicy,
    PolicyThrottle,
    RulePolicy,
    scale_inputs,
)

CHOICES = (
    Choice("first", 2, 20, 2.7, 0.76),
    Choice("first", 10, 20, 3.4, 0.76),
    Choice("both", 20, 32, 5.4, 0.85),
)


def choose_all(policy, degrees):
    return [policy.choose(each, 1.0) for each in degrees]


def test_rule_steps_down_while_the_limit_is_near():
    assert choose_all(RulePolicy(3, 80), [79.6] * 4) == [1, 0, 0, 0]


def test_rule_steps_down_before_the_limit_if_the_trend_leads_there():
    # Two periods ahead: 81 degrees.
    assert choose_all(RulePolicy(3, 80), [75, 77]) == [2, 1]


def test_rule_stays_between_its_two_thresholds():
    degrees = [79.6, 79.2, 78.9, 78.7]
    assert choose_all(RulePolicy(3, 80), degrees) == [1, 1, 1, 1]


def test_rule_steps_up_again_when_it_is_cool():
    assert choose_all(RulePolicy(3, 80), [79.6, 79.6, 70, 70, 70]) == [1, 0, 1, 2, 2]


def test_network_chooses_the_highest_usable_score():
    # Scores: the temperature above 60, its negative, and the load.
    layers = [(np.array([[1.0, 0, 0], [-1.0, 0, 0], [0, 0, 1.0]]), np.zeros(3))]
    assert NetworkPolicy(layers, [0, 1, 2]).choose(100, 0.5) == 0
    assert NetworkPolicy(layers, [0, 1, 2]).choose(20, 0.5) == 1
    assert NetworkPolicy(layers, [0, 1, 2]).choose(60, 0.5) == 2
    # Places among the usable ones.
    assert NetworkPolicy(layers, [1, 2]).choose(100, 0.5) == 1


def test_network_has_tanh_between_its_layers():
    hidden = np.array([[1.0, 0.0, 0.0]]), np.zeros(1)
    # tanh(2) is 0.96: without it, the second score would be higher.
    scores = np.array([[0.0], [1.0]]), np.array([1.5, 0.0])
    assert NetworkPolicy([hidden, scores], [0, 1]).choose(100, 0.0) == 0


def test_inputs_of_a_network_are_degrees_their_change_and_the_load():
    assert scale_inputs(80, 77, 0.25).tolist() == [1, 1.5, 0.25]
    assert scale_inputs(80, None, 0.25).tolist() == [1, 0, 0.25]
    # The second score is the change.
    layers = [(np.array([[0, 0, 0], [0, 1.0, 0]]), np.array([0.1, 0]))]
    assert choose_all(NetworkPolicy(layers, [0, 1]), [60, 60, 62, 62]) == [0, 0, 1, 0]


class Fixed:
    """Always the same choice."""

    def __init__(self, index):
        self.index = index
        self.loads = []

    def choose(self, temperature_c, load):
        self.loads.append(load)
        return self.index


def make_throttle(policy, **options):
    used: list[str] = []
    throttle = PolicyThrottle(CHOICES, policy, 80, use=used.append, **options)
    return throttle, used


def test_choice_sets_the_model_and_the_rate():
    policy = Fixed(1)
    throttle, used = make_throttle(policy, read_load=lambda: 0.25)
    assert (throttle.limit_fps, used) == (20, ["both"])
    throttle.update(Board(temperature_c=60), fps=20)
    assert (throttle.limit_fps, throttle.lowered) == (10, 1)
    assert used == ["both", "first"] and policy.loads == [0.25]
    assert throttle.reason == "the policy chose first, 60 degrees"


@pytest.mark.parametrize(
    "board", [Board(temperature_c=80), Board(temperature_c=50, throttled=0x4)]
)
def test_hot_or_throttled_board_gets_the_least_power_whatever_the_policy(board):
    throttle, used = make_throttle(Fixed(2))
    throttle.update(board, fps=20)
    assert throttle.limit_fps == 2 and used[-1] == "first"
    throttle.update(Board(temperature_c=50), fps=2)
    assert throttle.limit_fps == 10 and used[-1] == "first"
    throttle.update(Board(temperature_c=50), fps=10)
    assert throttle.limit_fps == 20 and used[-1] == "both"


def test_board_without_a_sensor_keeps_the_last_choice():
    throttle, _ = make_throttle(Fixed(0))
    throttle.update(Board(), fps=20)
    assert throttle.limit_fps == 20 and "no temperature" in throttle.reason
