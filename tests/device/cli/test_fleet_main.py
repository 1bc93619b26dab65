"""`corallite fleet` as its user runs it."""

import contextlib
import fcntl
import json
import os
import pty
import signal
import struct
import subprocess
import sys
import termios

import pytest
from mosquitto import Broker, needs_broker

from corallite.device.engine.untaught import Untaught
from corallite.device.fleet.listener import Listener
from corallite.device.outputs.broker import Address
from corallite.device.outputs.home_assistant import Announcement
from corallite.device.outputs.mqtt import Feed, Mqtt
from corallite.device.outputs.state import StateFeed

publish = pytest.importorskip("paho.mqtt.publish")
COMMAND = [sys.executable, "-m", "corallite.device.cli.fleet_main"]


def fleet(port, *flags):
    url = f"--mqtt=mqtt://127.0.0.1:{port}/home"
    done = subprocess.run(
        [*COMMAND, url, *flags], capture_output=True, text=True, timeout=120
    )
    assert "Traceback" not in done.stderr
    return done.returncode, done.stdout, done.stderr


@pytest.fixture
def door(broker, wait_until):
    """A device that is online."""
    engine = Untaught()
    facts = [lambda: {"channel_state": "current", "channel_version": "3"}]
    feeds: list[Feed] = [
        Announcement("home/door", engine, has_picture=False),
        StateFeed("home/door", engine, facts),
    ]
    sink = Mqtt(Address("127.0.0.1", broker.port, "home/door"), feeds=feeds)
    listener = Listener(Address("127.0.0.1", broker.port, "home"))
    wait_until(listener.list)
    listener.close()
    yield sink
    sink.close()


def test_device_is_listed_until_it_is_forgotten(broker, door, subscribe):
    status, out, _ = fleet(broker.port)
    assert (status, out.splitlines()[-1]) == (0, "1 device: 1 online")
    assert out.splitlines()[1].split()[-1] == "current"
    status, _, err = fleet(broker.port, "--forget=door")
    assert status == 2 and "--forget=door: is online and would publish" in err
    door.close()
    status, out, _ = fleet(broker.port, "--json")
    (device,) = json.loads(out)
    assert status == 1 and device["condition"] == "lost"
    assert (device["topic"], device["channel_version"]) == ("home/door", "3")
    status, out, _ = fleet(broker.port, "--forget=door")
    assert (status, out) == (0, "home/door: removed from the broker.\n")
    status, out, _ = fleet(broker.port)
    assert status == 1 and out.startswith("No device at home/+.")
    status, _, err = fleet(broker.port, "--forget=door")
    assert status == 2 and "is not a device at home/+; known: none." in err
    assert subscribe(broker.port).empty()


def test_changes_are_written_until_ctrl_c(broker, door):
    with watch(broker.port) as process:
        assert json.loads(process.stdout.readline())["condition"] == "online"
        door.close()
        assert json.loads(process.stdout.readline())["condition"] == "lost"
        assert fleet(broker.port, "--forget=door")[0] == 0
        removed = json.loads(process.stdout.readline())
        assert (removed["topic"], removed["condition"]) == ("home/door", "removed")
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
        assert (process.returncode, out, err) == (0, "", "")


def test_device_that_has_only_a_status_can_be_removed(broker):
    publish.single("home/door/status", "offline", retain=True, port=broker.port)
    assert fleet(broker.port)[1].startswith("No device")
    assert fleet(broker.port, "--forget=door")[0] == 0
    status, _, err = fleet(broker.port, "--forget=door")
    assert status == 2 and "is not a device" in err


def test_watch_ends_with_the_reader_of_its_lines(broker, door):
    with watch(broker.port) as process:
        process.stdout.readline()
        process.stdout.close()
        assert (process.wait(timeout=60), process.stderr.read()) == (0, "")


def test_watch_ends_if_the_broker_refuses_it(broker, door):
    with watch(broker.port) as process:
        process.stdout.readline()
        broker.kill()
        text = broker.config.read_text()
        broker.config.write_text(text.replace("anonymous true", "anonymous false"))
        broker.start()
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert "refuses the connection (Not authorized)" in err.splitlines()[-1]


def test_watch_on_a_terminal_fits_its_height(broker, door):
    messages: list = [
        {"topic": f"home/{name}/{kind}", "payload": payload, "retain": True}
        for name in ("a", "b", "c")
        for kind, payload in (("state", '{"corallite": "1"}'), ("status", "offline"))
    ]
    publish.multiple(messages, port=broker.port)
    totals = b"4 devices: 3 lost, 1 online"
    here, there = pty.openpty()
    fcntl.ioctl(there, termios.TIOCSWINSZ, struct.pack("4H", 5, 80, 0, 0))
    with watch(broker.port, stdout=there) as process:
        os.close(there)
        shown = b""
        # Devices that the broker names later are in a later table.
        while totals not in shown:
            shown += os.read(here, 4096)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
    os.close(here)
    table = next(x for x in shown.split(b"\x1b[2J") if totals in x)
    rows = table.decode().splitlines()
    assert rows[1].split()[:2] == ["a", "lost"]
    assert rows[2:4] == ["... and 3 more", totals.decode()]


@contextlib.contextmanager
def watch(port, stdout=subprocess.PIPE):
    """A process that watches; JSON unless it has a terminal."""
    flags = ["--json"] if stdout == subprocess.PIPE else []
    url = f"--mqtt=mqtt://127.0.0.1:{port}/home"
    # These would count more than the terminal's own size.
    hidden = ("LINES", "COLUMNS")
    environment = {x: y for x, y in os.environ.items() if x not in hidden}
    process = subprocess.Popen(
        [*COMMAND, url, "--watch", *flags],
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONUNBUFFERED": "1"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@needs_broker
def test_invalid_requests_are_refused_in_one_line(tmp_path):
    port = Broker(tmp_path).port
    status, out, err = fleet(port)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "cannot be reached (Connection refused)" in err
    for flag in ("--json", "--watch"):
        status, _, err = fleet(port, "--forget=door", flag)
        assert status == 2 and "--forget: cannot be used with --json or" in err
    status, _, err = fleet(port, "home/door")
    assert status == 2 and "Expected only flags, got 'home/door'" in err
