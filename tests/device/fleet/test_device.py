"""States of devices, which anybody who can write to the broker may have sent."""

import json

import pytest

from corallite.device.engine.untaught import Untaught
from corallite.device.fleet.device import State, parse_state
from corallite.device.outputs.state import StateFeed

STATE = {"corallite": "0.1.0", "fps": 9.5, "uncertain": 3, "scores": [1, 2]}


def parse(**fields):
    state = parse_state(json.dumps({**STATE, **fields}).encode())
    assert state is not None
    return state


def test_what_a_device_publishes_is_read(tmp_path):
    channel = {"channel_state": "waiting", "channel_latest": "8", "uncertain": 17}
    channel |= {"source": "live"}
    feed = StateFeed("a", Untaught(), [lambda: channel], root=tmp_path)
    (text,) = feed.take().values()
    state = parse_state(str(text).encode())
    assert state is not None and state.time is not None
    assert state.scores == (0,) * 10 and state.period_s == 60 and state.time > 1e9
    assert (state.channel_state, state.uncertain) == ("waiting", 17)
    assert state.has_camera
    assert set(state._fields) - set(json.loads(str(text))) == {
        *("channel_version", "channel_reason")
    }


@pytest.mark.parametrize(
    "payload",
    [
        b"online",
        b"",
        b"[]",
        b'"x"',
        b"\xff\xfe",
        b"{",
        b'{"fps": 3}',
        b'{"corallite": 3}',
        b"[" * 5000,
        b'{"corallite": "1", "x": "' + b"x" * 9000 + b'"}',
    ],
)
def test_messages_of_other_programs_are_left_out(payload):
    assert parse_state(payload) is None


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"fps": "9"}, {"fps": None}),
        ({"fps": True}, {"fps": None}),
        ({"fps": float("nan")}, {"fps": None}),
        ({"fps": float("inf")}, {"fps": None}),
        ({"fps": 10**400}, {"fps": None}),
        ({"uncertain": []}, {"uncertain": None}),
        ({"scores": "123"}, {"scores": ()}),
        ({"scores": [1, None, "x"]}, {"scores": (1, 0, 0)}),
        ({"scores": [1] * 1000}, {"scores": (1,) * 100}),
        ({"period_s": 1e9}, {"period_s": 3600.0}),
        ({"period_s": -5}, {"period_s": 1.0}),
        ({"period_s": 0}, {"period_s": 60.0}),
        ({"model_version": {"a": 1}}, {"model_version": ""}),
        ({"model_version": "\x1b[2Jx"}, {"model_version": "?[2Jx"}),
        ({"channel_version": 7}, {"channel_version": "7"}),
        ({"source": None}, {"source": ""}),
        ({"unknown": -0.1}, {"unknown": None}),
        ({"unknown": 1}, {"unknown": 1.0}),
        ({"unknown": 1.1}, {"unknown": None}),
        ({"fps": -1}, {"fps": None}),
        ({"drift": -1}, {"drift": None}),
        ({"uncertain": -1}, {"uncertain": None}),
        ({"scores": [-1, 2]}, {"scores": (0, 2)}),
        ({"temperature_c": -12.5}, {"temperature_c": -12.5}),
    ],
)
def test_values_of_another_kind_are_left_out(fields, expected):
    usual = State("0.1.0", fps=9.5, uncertain=3, scores=(1, 2))
    assert parse(**fields) == usual._replace(**expected)


def test_long_text_is_cut():
    assert len(parse(channel_reason="x" * 5000).channel_reason) == 255
