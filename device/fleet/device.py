"""A device as its last messages describe it."""

import enum
from typing import Any, NamedTuple

from corallite.device.system.storage import json_text
from corallite.device.system.text import cut, replace_unprintable

_MOST_BYTES = 8192
_MOST_COLUMNS = 255
_MOST_BINS = 100
# If a message does not say or says nonsense.
_USUAL_PERIOD_S = 60.0
_LONGEST_PERIOD_S = 3600.0
# What states say of a source that sends frames; older versions do not say it.
_LIVE = ("live", "")


class Condition(enum.Enum):
    """Whether a device works, the worst first.

    Attributes:
        LOST: The broker says that it is offline: it has ended, or its connection broke.
        LATE: It has sent no state for two and a half periods, or at an unknown time.
        NO_CAMERA: Its source sends no frames.
        ONLINE: None of these.
    """

    LOST = "lost"
    LATE = "late"
    NO_CAMERA = "no camera"
    ONLINE = "online"


class State(NamedTuple):
    """The content of TOPIC/state; None and "" are unknown.

    Attributes:
        corallite: The version of the program.
        model: The architecture.
        model_version: The model's version.
        frames: Results since the program started.
        fps: Results per second, in the last period.
        unknown: The share of predictions that were not named, 0 to 1.
        scores: Predictions by score, in the bins of `SCORE_EDGES`.
        drift: The population stability index of `scores` against the training.
        uncertain: Photos that wait for a name.
        temperature_c: Of the processor.
        channel_version: The release of the model that it uses.
        channel_latest: The newest release that it knows.
        channel_state: What it does about that.
        channel_reason: Why it is not current.
        time: When it was published, in seconds since 1970, by the device's clock.
        period_s: Seconds until the next one.
        source: The state of the camera, such as "live" or "reopening".
    """

    corallite: str = ""
    model: str = ""
    model_version: str = ""
    frames: int | None = None
    fps: float | None = None
    unknown: float | None = None
    scores: tuple[int, ...] = ()
    drift: float | None = None
    uncertain: int | None = None
    temperature_c: float | None = None
    channel_version: str = ""
    channel_latest: str = ""
    channel_state: str = ""
    channel_reason: str = ""
    time: float | None = None
    period_s: float = _USUAL_PERIOD_S
    source: str = ""

    @property
    def has_camera(self) -> bool:
        """Whether the source sends frames."""
        return self.source in _LIVE


class Device(NamedTuple):
    """A device and its condition.

    Attributes:
        topic: That of its results.
        name: The part of the topic in which devices differ.
        condition: Whether it works.
        age_s: Seconds since its last state; None if its clock is wrong.
        state: That state.
    """

    topic: str
    name: str
    condition: Condition
    age_s: float | None
    state: State

    def to_json(self) -> dict[str, Any]:
        """Returns a dict for JSON."""
        return {
            "topic": self.topic,
            "name": self.name,
            "condition": self.condition.value,
            "age_s": None if self.age_s is None else round(self.age_s, 1),
            **self.state._asdict(),
        }


def parse_state(payload: bytes) -> State | None:
    """Returns the state in a message; None if it is not one of this program.

    Anybody who can write to the broker may have sent it: texts and lists are cut, and
    values of another type or out of range are left out.
    """
    if len(payload) > _MOST_BYTES:
        return None
    try:
        content = json_text.parse(payload)
    except ValueError:
        return None
    if not isinstance(content, dict) or not isinstance(content.get("corallite"), str):
        return None
    texts: dict[str, Any] = {name: _text(content.get(name)) for name in _TEXTS}
    numbers: dict[str, Any] = {
        name: _number(content.get(name), *limits) for name, limits in _NUMBERS.items()
    }
    period_s = _number(content.get("period_s")) or _USUAL_PERIOD_S
    return State(
        **texts,
        **numbers,
        scores=_counts(content.get("scores")),
        frames=_count(content.get("frames")),
        uncertain=_count(content.get("uncertain")),
        period_s=min(max(1.0, period_s), _LONGEST_PERIOD_S),
    )


_TEXTS = tuple(name for name, default in State._field_defaults.items() if default == "")
# A longer integer has no float.
_MOST = 1e15
_NUMBERS = {
    "fps": (0.0, _MOST),
    "unknown": (0.0, 1.0),
    "drift": (0.0, _MOST),
    "temperature_c": (-_MOST, _MOST),
    "time": (0.0, _MOST),
}


def _count(value: Any) -> int | None:
    number = _number(value, 0.0)
    return None if number is None else int(number)


def _counts(values: Any) -> tuple[int, ...]:
    if not isinstance(values, list):
        return ()
    return tuple(_count(value) or 0 for value in values[:_MOST_BINS])


def _text(value: Any) -> str:
    text = str(value) if isinstance(value, str | int) else ""
    return cut(replace_unprintable(text), _MOST_COLUMNS)


def _number(value: Any, least: float = -_MOST, most: float = _MOST) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and least <= value <= most else None
