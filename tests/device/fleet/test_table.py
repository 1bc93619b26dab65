"""Devices as text."""

from corallite.device.fleet.device import Condition, Device, State
from corallite.device.fleet.table import to_line, to_table
from corallite.device.system.text import count_columns

DOOR = Device(
    *("home/door", "door", Condition.ONLINE, 3.0),
    State("0.1.0", "net", "taught 42", 900, 9.96, 0.125, (), 0.034, 17),
)


def test_table_shows_a_device_in_a_row():
    table = to_table([DOOR]).splitlines()
    assert table[0].split() == [
        *("DEVICE", "STATE", "VERSION", "MODEL", "FPS", "UNKNOWN", "DRIFT", "KEPT"),
        "CHANNEL",
    ]
    assert table[1].split() == [
        *("door", "online", "0.1.0", "taught", "42", "10.0", "12%", "0.03", "17", "-")
    ]
    assert table[2] == "1 device: 1 online"


def test_unknown_numbers_are_dashes():
    row = to_table([DOOR._replace(state=State("0.1.0"))]).splitlines()[1]
    assert row.split() == ["door", "online", "0.1.0", *["-"] * 6]


def test_table_fits_80_columns():
    state = State(
        *("v" * 255, "m" * 255, "界" * 200, 9, 1e14, 1e14, (), 1e14, 10**14),
        channel_state="s" * 255,
    )
    device = Device("x" * 999, "é界" * 300, Condition.LATE, 1.0, state)
    rows = to_table([DOOR, device]).splitlines()
    assert max(map(count_columns, rows)) <= 80
    assert rows[-1] == "2 devices: 1 late, 1 online"


def test_table_is_cut_to_the_height_of_a_terminal():
    lost = DOOR._replace(name="gate", condition=Condition.LOST)
    devices = [lost, *[DOOR] * 9]
    assert to_table(devices, 12) == to_table(devices)
    table = to_table(devices, 6).splitlines()
    assert [row.split()[0] for row in table[:-2]] == ["DEVICE", "gate", "door", "door"]
    assert table[-2:] == ["... and 7 more", "10 devices: 1 lost, 9 online"]
    assert to_table(devices, 1).splitlines()[1:] == [
        *("... and 10 more", "10 devices: 1 lost, 9 online")
    ]


def test_line_has_the_state_of_the_camera():
    device = DOOR._replace(
        state=DOOR.state._replace(source="stale"), condition=Condition.NO_CAMERA
    )
    assert to_line(device).startswith("home/door: no camera (stale), corallite 0.1.0")
    assert to_table([device]).splitlines()[1].startswith("door            no camera 0")


def test_names_are_cut_and_printable():
    name = "\x1b[2J" + "x" * 999
    device = DOOR._replace(topic=f"home/{name}", name=name)
    line = to_line(device)
    assert line.isprintable() and line.startswith("home/?[2Jx") and len(line) < 310
    assert to_table([device]).splitlines()[1].startswith("?[2Jxxxxxxxxxx~ online")


def test_line_has_the_reason_of_the_channel():
    state = DOOR.state._replace(channel_state="refused", channel_reason="too large")
    line = to_line(DOOR._replace(state=state, condition=Condition.LOST))
    assert line == (
        "home/door: lost, corallite 0.1.0, model taught 42, channel refused (too large)"
    )
