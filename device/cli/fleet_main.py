"""Lists the devices that publish their state to an MQTT broker.

corallite fleet --mqtt=mqtt://broker/home

Shows the devices whose --mqtt topics are home/NAME; write + for any name in another
place, as in mqtt://broker/+/cameras/+. Exits with status 1 if a device is not online.
"lost": the broker says that it is offline. "late": it sent no state for two and a half
minutes. "no camera": its camera sends no frames.
"""

import contextlib
import json
import select
import shutil
import sys
import time
from collections.abc import Sequence

from absl import flags

from corallite.device.cli import program
from corallite.device.fleet.device import Condition, Device
from corallite.device.fleet.listener import Listener
from corallite.device.fleet.table import to_line, to_name, to_table
from corallite.device.outputs.broker import parse_address
from corallite.device.system import log
from corallite.device.system.errors import RequestError

_MQTT = flags.DEFINE_string(
    "mqtt",
    None,
    "mqtt://USER:PASSWORD@HOST:PORT/TOPIC, or mqtts with TLS: the broker, and the "
    "topic above those of the devices.",
    required=True,
)
_JSON = flags.DEFINE_boolean(
    "json", False, "Print JSON; with --watch, one line per change."
)
_WATCH = flags.DEFINE_boolean(
    "watch",
    False,
    "Continue until Ctrl-C: redraw the table on a terminal, else print a line whenever "
    "a device is new or removed, or its state, version, model or channel changes.",
)
_FORGET = flags.DEFINE_string(
    "forget",
    None,
    "Remove this device from the broker, and from Home Assistant. Stop it first.",
)
_PERIOD_S = 1.0
_TOGETHER_S = 0.1
_REMOVED = "removed"
_CLEAR_SCREEN = "\x1b[H\x1b[2J"


def main(argv: Sequence[str]) -> int:
    """Lists the devices, or removes one."""
    program.reject_arguments(argv)
    if _FORGET.value is not None and (_JSON.value or _WATCH.value):
        raise RequestError(
            "--forget: cannot be used with --json or --watch; omit them."
        )
    address = parse_address(_MQTT.value, wildcards="+")
    with contextlib.closing(Listener(address)) as listener:
        if _FORGET.value is not None:
            _forget(listener, _FORGET.value)
            return program.EXIT_DONE
        if _WATCH.value:
            with contextlib.suppress(KeyboardInterrupt):
                _watch(listener)
            return program.EXIT_DONE
        return _list(listener)


def _list(listener: Listener) -> int:
    """Prints the devices once; returns the exit status."""
    devices = listener.list()
    if _JSON.value:
        print(json.dumps([device.to_json() for device in devices], indent=2))
    else:
        print(to_table(devices) if devices else _explain_none(listener))
    _log_notes(listener)
    works = all(device.condition is Condition.ONLINE for device in devices)
    is_good = works and devices and listener.is_complete
    return program.EXIT_DONE if is_good else program.EXIT_CHECK_FAILED


def _explain_none(listener: Listener) -> str:
    return (
        f"No device at {to_name(listener.filter)}.\n"
        "Give classify or serve --mqtt with such a topic, where each + is a name."
    )


def _watch(listener: Listener) -> None:
    """Shows the devices until Ctrl-C."""
    if sys.stdout.isatty() and not _JSON.value:
        while True:
            _redraw(listener)
            time.sleep(_PERIOD_S)
    known: dict[str, Device] = {}
    _log_notes(listener)
    while True:
        devices = {device.topic: device for device in listener.list()}
        _print_changes(known, devices)
        known = devices
        listener.wait(_PERIOD_S)
        _check_reader()
        # A thousand devices may send at once: they are looked at together.
        time.sleep(_TOGETHER_S)


def _log_notes(listener: Listener) -> None:
    for note in listener.notes:
        log.warning("%s", note)


def _redraw(listener: Listener) -> None:
    devices, notes = listener.list(), listener.notes
    # The cursor takes the last line.
    most_lines = shutil.get_terminal_size().lines - len(notes) - 1
    text = to_table(devices, most_lines) if devices else _explain_none(listener)
    print("\n".join([f"{_CLEAR_SCREEN}{text}", *notes]), flush=True)


def _print_changes(known: dict[str, Device], devices: dict[str, Device]) -> None:
    """Prints a line for each device that is new, has changed or was removed."""
    for topic, device in devices.items():
        if topic not in known or _key(known[topic]) != _key(device):
            text = json.dumps(device.to_json()) if _JSON.value else to_line(device)
            print(text, flush=True)
    for topic in known.keys() - devices.keys():
        removed = known[topic].to_json() | {"condition": _REMOVED}
        line = f"{to_name(topic)}: {_REMOVED}"
        print(json.dumps(removed) if _JSON.value else line, flush=True)


def _check_reader() -> None:
    """Raises `BrokenPipeError` if the reader of stdout has ended, as `| head` does."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    if any(events & select.POLLERR for _, events in poll.poll(0)):
        raise BrokenPipeError


def _key(device: Device) -> tuple[str, ...]:
    """Returns what makes a change worth a line."""
    state = device.state
    return (
        device.condition.value,
        *(state.corallite, state.model_version),
        *(state.channel_version, state.channel_state),
    )


def _forget(listener: Listener, name: str) -> None:
    found = listener.find(name)
    if found is None:
        names = [to_name(device.name) for device in listener.list()[:10]]
        raise RequestError(
            f"--forget={to_name(name)}: is not a device at {to_name(listener.filter)}; "
            f"known: {', '.join(names) or 'none'}."
        )
    if found.condition in (Condition.ONLINE, Condition.NO_CAMERA):
        raise RequestError(
            f"--forget={to_name(name)}: is online and would publish again; stop it "
            "first."
        )
    listener.remove(found)
    print(f"{to_name(found.topic)}: removed from the broker.")


if __name__ == "__main__":
    program.run(main)
