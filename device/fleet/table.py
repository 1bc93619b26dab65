"""Shows devices as text."""

from collections import Counter
from collections.abc import Sequence

from corallite.device.fleet.device import Condition, Device
from corallite.device.system.text import count_columns, cut, replace_unprintable

# With one column between them, 80. Numbers are aligned to the right.
_COLUMNS = {
    "DEVICE": 15,
    "STATE": 9,
    "VERSION": 7,
    "MODEL": 12,
    "FPS": -5,
    "UNKNOWN": -7,
    "DRIFT": -5,
    "KEPT": -4,
    "CHANNEL": 8,
}
_NOTHING = "-"
_MOST_COLUMNS = 255


def to_table(devices: Sequence[Device], most_lines: int | None = None) -> str:
    """Returns the devices as a table of at most 80 columns, and their number.

    Args:
        devices: The worst condition first.
        most_lines: If there are more, the last devices are left out; None for all.
    """
    room = len(devices) if most_lines is None else max(1, most_lines - 2)
    # The line that counts the others takes one of theirs.
    shown = devices if len(devices) <= room else devices[: room - 1]
    rows = [list(_COLUMNS), *(_to_row(device) for device in shown)]
    others = len(devices) - len(shown)
    more = [f"... and {others} more"] if others else []
    return "\n".join([*(_align(row) for row in rows), *more, count_devices(devices)])


def count_devices(devices: Sequence[Device]) -> str:
    """Returns the number of devices as text, such as "3 devices: 1 lost, 2 online"."""
    counts = Counter(device.condition for device in devices)
    parts = (f"{counts[x]} {x.value}" for x in Condition if counts[x])
    noun = "device" if len(devices) == 1 else "devices"
    return f"{len(devices)} {noun}: {', '.join(parts)}"


def to_line(device: Device) -> str:
    """Returns a device as a line, for a log of changes."""
    state = device.state
    parts = [f"corallite {state.corallite}", f"model {state.model_version}"]
    if state.channel_state:
        why = f" ({state.channel_reason})" if state.channel_reason else ""
        parts.append(f"channel {state.channel_state}{why}")
    condition = device.condition.value
    if not state.has_camera:
        condition = f"{condition} ({state.source})"
    return f"{to_name(device.topic)}: {condition}, {', '.join(parts)}"


def to_name(topic: str) -> str:
    """Returns a topic, or a part of it, for a sentence: printable and not too long."""
    return cut(replace_unprintable(topic), _MOST_COLUMNS)


def _to_row(device: Device) -> list[str]:
    state = device.state
    return [
        to_name(device.name),
        device.condition.value,
        state.corallite,
        state.channel_version or state.model_version or _NOTHING,
        _format(state.fps, ".1f"),
        _format(state.unknown, ".0%"),
        _format(state.drift, ".2f"),
        _format(state.uncertain, "d"),
        state.channel_state or _NOTHING,
    ]


def _format(value: float | None, form: str) -> str:
    return _NOTHING if value is None else format(value, form)


def _align(row: Sequence[str]) -> str:
    cells = []
    for text, width in zip(row, _COLUMNS.values(), strict=True):
        text = cut(text, abs(width))
        room = " " * (abs(width) - count_columns(text))
        cells.append(text + room if width > 0 else room + text)
    return " ".join(cells).rstrip()
