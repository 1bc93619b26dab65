"""All devices of a broker, by what they have published."""

import time
from collections.abc import Callable
from typing import NamedTuple

from corallite.device.fleet.device import Condition, Device, State, parse_state
from corallite.device.outputs.topics import OFFLINE, STATE, STATUS

MOST_DEVICES = 10_000
_LATE_PERIODS = 2.5


class _Seen(NamedTuple):
    """The last state of a device, and when it was published, by our clock.

    None: the device's clock cannot be right.
    """

    state: State
    at_s: float | None


class Devices:
    """Devices by topic, in bounded memory: at most 10,000.

    Attributes:
        filter: The topics of the devices, with "+" for any name.
    """

    def __init__(
        self,
        topic_filter: str,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Knows no device yet.

        Args:
            topic_filter: The topics of the devices; without a "+", those just below.
            clock: Returns the time, as `time.monotonic` does.
            wall_clock: Returns the time, as `time.time` does.
        """
        self.filter = topic_filter if "+" in topic_filter else f"{topic_filter}/+"
        self._prefix = self.filter.partition("+")[0]
        self._clock = clock
        self._wall_clock = wall_clock
        self._seen: dict[str, _Seen] = {}
        # Also of other programs, which have no state.
        self._offline: set[str] = set()
        # Hashes, as topics may be long.
        self._left_out: set[int] = set()

    @property
    def left_out(self) -> int:
        """How many more devices there are; at most 10,000 are counted."""
        return len(self._left_out)

    @property
    def subscriptions(self) -> list[str]:
        """The filters of the messages that `take` understands."""
        return [f"{self.filter}/{STATE}", f"{self.filter}/{STATUS}"]

    def take(self, topic: str, payload: bytes, is_retained: bool = False) -> None:
        """Takes a message.

        Args:
            topic: Of the message.
            payload: Its content.
            is_retained: It was published earlier, maybe long ago.
        """
        device, _, kind = topic.rpartition("/")
        if not self._has_names(device):
            return
        if kind == STATUS:
            self._take_status(device, payload)
        elif not payload:
            self._seen.pop(device, None)
            self._left_out.discard(hash(device))
        elif (state := parse_state(payload)) is not None:
            self._take_state(device, state, is_retained)

    def list(self) -> list[Device]:
        """Returns the devices: the worst condition first, then by name."""
        now_s = self._clock()
        order = list(Condition)
        found = [self._describe(topic, now_s) for topic in self._seen]
        return sorted(found, key=lambda x: (order.index(x.condition), x.name))

    def find(self, name: str) -> Device | None:
        """Returns a device by its name, also one of which only the end is known."""
        topic = self._prefix + name
        if topic in self._seen:
            return self._describe(topic, self._clock())
        if topic in self._offline:
            return Device(topic, name, Condition.LOST, None, State())
        return None

    def _has_names(self, topic: str) -> bool:
        """Returns whether no level of a device's name is empty, as in home//state."""
        pairs = zip(self.filter.split("/"), topic.split("/"), strict=False)
        return all(level for pattern, level in pairs if pattern == "+")

    def _take_status(self, device: str, payload: bytes) -> None:
        if payload != OFFLINE.encode():
            self._offline.discard(device)
        elif device in self._seen or self._has_room(device, self._offline):
            self._offline.add(device)

    def _take_state(self, device: str, state: State, is_retained: bool) -> None:
        if not self._has_room(device, self._seen):
            return
        if not is_retained:
            # Another program with the same topic has ended, or "online" was lost.
            self._offline.discard(device)
        self._left_out.discard(hash(device))
        known = self._seen.get(device)
        if is_retained and known is not None and known.state == state:
            # Sent again after a reconnection: its arrival says more than its clock.
            return
        age_s = self._find_age(state) if is_retained else 0.0
        at_s = None if age_s is None else self._clock() - age_s
        self._seen[device] = _Seen(state, at_s)

    def _find_age(self, state: State) -> float | None:
        """Returns the age by the device's clock; None if that is ahead, or unknown."""
        if state.time is None:
            return None
        age_s = self._wall_clock() - state.time
        return max(0.0, age_s) if age_s >= -state.period_s else None

    def _has_room(self, device: str, known: "dict[str, _Seen] | set[str]") -> bool:
        if device in known or len(known) < MOST_DEVICES:
            return True
        if len(self._left_out) < MOST_DEVICES:
            self._left_out.add(hash(device))
        return False

    def _describe(self, topic: str, now_s: float) -> Device:
        state, at_s = self._seen[topic]
        age_s = None if at_s is None else now_s - at_s
        condition = Condition.ONLINE
        if topic in self._offline:
            condition = Condition.LOST
        elif age_s is None or age_s > _LATE_PERIODS * state.period_s:
            condition = Condition.LATE
        elif not state.has_camera:
            condition = Condition.NO_CAMERA
        name = topic.removeprefix(self._prefix)
        return Device(topic, name, condition, age_s, state)
