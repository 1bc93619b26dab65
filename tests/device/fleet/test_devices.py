"""Which devices there are, and in which condition."""

import json

import pytest

from corallite.device.fleet import devices as module
from corallite.device.fleet.devices import Devices

START_S = 1_800_000_000


class Clock:
    """A clock that a test sets; the wall clock goes with it."""

    now_s = 5000.0

    def __call__(self):
        return self.now_s

    def wall(self):
        return START_S + self.now_s - 5000


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def devices(clock):
    return Devices("home", clock, clock.wall)


def state(clock=None, **fields):
    time = {} if clock is None else {"time": clock.wall()}
    return json.dumps({"corallite": "0.1.0", **time, **fields}).encode()


def conditions(devices):
    return [(device.name, device.condition.value) for device in devices.list()]


def test_devices_below_a_topic_are_listed(devices):
    assert devices.subscriptions == ["home/+/state", "home/+/status"]
    devices.take("home/door/state", state(fps=3))
    (device,) = devices.list()
    assert (device.topic, device.name, device.state.fps) == ("home/door", "door", 3)
    assert device.to_json()["condition"] == "online"


def test_a_filter_may_have_its_own_wildcards():
    devices = Devices("+/cameras/+")
    assert devices.subscriptions[0] == "+/cameras/+/state"
    devices.take("hall/cameras/1/state", state())
    assert devices.list()[0].name == "hall/cameras/1"


def test_will_makes_a_device_lost_until_it_is_back(devices):
    devices.take("home/door/state", state())
    devices.take("home/door/status", b"offline")
    assert conditions(devices) == [("door", "lost")]
    devices.take("home/door/status", b"online")
    assert conditions(devices) == [("door", "online")]


def test_new_state_shows_that_a_device_lives(devices):
    devices.take("home/door/state", state())
    devices.take("home/door/status", b"offline")
    devices.take("home/door/state", state(), is_retained=True)
    assert conditions(devices) == [("door", "lost")]
    devices.take("home/door/state", state())
    assert conditions(devices) == [("door", "online")]


@pytest.mark.parametrize(
    ("source", "expected"),
    [("live", "online"), ("reopening", "no camera"), ("given up", "no camera")],
)
def test_device_with_a_source_that_is_not_live_has_no_camera(devices, source, expected):
    devices.take("home/door/state", state(source=source))
    assert conditions(devices) == [("door", expected)]
    devices.take("home/door/status", b"offline")
    assert conditions(devices) == [("door", "lost")]


def test_status_may_come_before_the_state(devices):
    devices.take("home/door/status", b"offline", is_retained=True)
    assert devices.list() == []
    found = devices.find("door")
    assert found and (found.topic, found.condition.value) == ("home/door", "lost")
    assert devices.find("gate") is None
    devices.take("home/door/state", state(), is_retained=True)
    assert conditions(devices) == [("door", "lost")]


def test_device_without_a_state_for_two_and_a_half_periods_is_late(devices, clock):
    devices.take("home/door/state", state(period_s=60))
    clock.now_s += 149
    assert conditions(devices) == [("door", "online")]
    clock.now_s += 2
    assert conditions(devices) == [("door", "late")]
    devices.take("home/door/state", state(period_s=60))
    assert conditions(devices) == [("door", "online")]


def test_retained_state_is_as_old_as_it_says(devices, clock):
    old = state(clock)
    clock.now_s += 3600
    devices.take("home/door/state", old, is_retained=True)
    (device,) = devices.list()
    assert (device.condition.value, device.age_s) == ("late", 3600)


def test_new_state_counts_from_its_arrival_whatever_the_clock_of_the_device(devices):
    devices.take("home/a/state", state(time=0))
    devices.take("home/b/state", state(time=START_S + 10**6))
    assert conditions(devices) == [("a", "online"), ("b", "online")]
    # The broker sends them again after a reconnection.
    devices.take("home/a/state", state(time=0), is_retained=True)
    devices.take("home/b/state", state(time=START_S + 10**6), is_retained=True)
    assert conditions(devices) == [("a", "online"), ("b", "online")]


@pytest.mark.parametrize("fields", [{"time": START_S + 61}, {}])
def test_retained_state_of_unknown_age_is_late_until_the_next(devices, fields):
    devices.take("home/door/state", state(**fields), is_retained=True)
    (device,) = devices.list()
    assert (device.condition.value, device.age_s) == ("late", None)
    assert device.to_json()["age_s"] is None
    devices.take("home/door/state", state(**fields))
    assert conditions(devices) == [("door", "online")]


def test_clock_that_is_a_little_ahead_makes_no_difference(devices):
    devices.take("home/door/state", state(time=START_S + 59), is_retained=True)
    (device,) = devices.list()
    assert (device.condition.value, device.age_s) == ("online", 0)


def test_the_worst_come_first(devices, clock):
    devices.take("home/late/state", state())
    clock.now_s += 600
    for name in ("b", "a", "z"):
        devices.take(f"home/{name}/state", state())
    devices.take("home/z/status", b"offline")
    assert [name for name, _ in conditions(devices)] == ["z", "late", "a", "b"]


def test_removed_device_is_not_listed(devices):
    devices.take("home/door/state", state())
    devices.take("home/door/state", b"")
    assert devices.list() == []


def test_topics_without_a_name_are_left_out(devices):
    devices.take("home//state", state())
    assert devices.list() == []
    below_root = Devices("/home")
    below_root.take("/home/door/state", state())
    assert below_root.list()[0].name == "door"


def test_other_programs_are_not_devices(devices):
    devices.take("home/bridge/state", b'{"state": "online"}')
    devices.take("home/bridge/status", b"offline")
    assert devices.list() == []


def test_loss_of_a_known_device_is_never_left_out(devices, monkeypatch):
    monkeypatch.setattr(module, "MOST_DEVICES", 5)
    devices.take("home/door/state", state())
    for n in range(9):
        devices.take(f"home/{n}/status", b"offline")
    devices.take("home/door/status", b"offline")
    assert conditions(devices) == [("door", "lost")]


def test_number_of_devices_is_bounded(devices, monkeypatch):
    monkeypatch.setattr(module, "MOST_DEVICES", 5)
    for n in range(9):
        devices.take(f"home/{n}/state", state())
        devices.take(f"home/{n}/state", state())
    devices.take("home/8/status", b"offline")
    assert len(devices.list()) == 5 and devices.left_out == 4
    devices.take("home/8/state", b"")
    assert devices.left_out == 3
    devices.take("home/0/state", state(fps=1))
    assert [x.state.fps for x in devices.list() if x.name == "0"] == [1]
