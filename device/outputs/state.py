"""Publishes the state of the program, for `corallite fleet` and Home Assistant."""

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from corallite.device.board.sensors import read_temperature_c
from corallite.device.engine.base import Engine, Status
from corallite.device.loop.classify_frames import Result
from corallite.device.model.refusal import UNKNOWN
from corallite.device.outputs.drift import ScoreCounts, find_drift
from corallite.device.outputs.topics import STATE
from corallite.device.system.text import cut
from corallite.device.system.version import version_line

FORMAT = 1
PERIOD_S = 60.0
# The first state has no frame rate yet.
_FIRST_PERIOD_S = 10.0
_LEAST_MEASURED_S = 5.0
# Of the frames of a busy camera, one in ten seconds is counted: its neighbours show the
# same scene. The counts cover the last half to whole day.
_BETWEEN_SCORES_S = 10.0
_MOST_SCORES = 8640
_MOST_COLUMNS = 64


class StateFeed:
    """A `Feed` of TOPIC/state: a JSON object of a few hundred bytes, every minute."""

    def __init__(
        self,
        topic: str,
        engine: Engine,
        facts: Sequence[Callable[[], Mapping[str, object]]] = (),
        clock: Callable[[], float] = time.monotonic,
        root: Path = Path("/"),
    ) -> None:
        """Reads nothing yet.

        Args:
            topic: That of the results.
            engine: Makes the results.
            facts: Each returns more fields, from any thread, at once.
            clock: Returns the time, as `time.monotonic` does.
            root: /, or a copy of some of its files, for sensors.
        """
        self._topic = f"{topic}/{STATE}"
        self._engine = engine
        self._facts = facts
        self._clock = clock
        self._root = root
        self._version = version_line().split()[-1]
        # Both threads use what follows.
        self._guard = threading.Lock()
        self._next_score_s = self._due_s = float("-inf")
        self._channel: dict[str, str] = {}
        self._begin_model()
        self._last: Result | None = None
        self._frames = 0
        # When the frame rate was measured last, and the frames until then.
        self._measured: tuple[float, int] | None = None
        self._fps: float | None = None

    def put(self, result: Result) -> None:
        """Counts a result."""
        now_s = self._clock()
        manifest = self._engine.manifest
        channel = _describe_channel(self._engine.status())
        with self._guard:
            self._frames += 1
            self._last = result
            if channel != self._channel:
                self._channel, self._due_s = channel, float("-inf")
            if manifest is not self._manifest:
                self._begin_model()
            if result.repeated or now_s < self._next_score_s:
                return
            self._next_score_s = now_s + _BETWEEN_SCORES_S
            first = result.top[0] if result.top else None
            refusal = manifest.classes.refusal
            # An empty place is recognized, although it is not named.
            is_background = first and refusal and first.label == refusal.background
            is_unknown = result.label == UNKNOWN and not is_background
            self._counts.add(first and first.probability, is_unknown)

    def take(self) -> Mapping[str, str | bytes]:
        """Returns the state if it is due."""
        now_s = self._clock()
        if now_s < self._due_s:
            return {}
        # Outside the lock, for which the loop waits: some sensors are slow.
        temperature_c = read_temperature_c(self._root)
        with self._guard:
            wait_s = PERIOD_S if self._measured else _FIRST_PERIOD_S
            self._due_s = now_s + wait_s
            state = self._describe(self._measure_fps(now_s), temperature_c)
        for describe in self._facts:
            state |= describe()
        return {self._topic: json.dumps(state)}

    def close(self) -> None:
        """Makes a last state due, which counts all results."""
        with self._guard:
            self._due_s = float("-inf")

    def _begin_model(self) -> None:
        """Forgets the scores of the former model, and publishes soon."""
        self._manifest = self._engine.manifest
        self._counts = ScoreCounts(_MOST_SCORES)
        self._next_score_s = self._due_s = float("-inf")

    def _measure_fps(self, now_s: float) -> float | None:
        if self._measured is None:
            self._measured = now_s, self._frames
            return None
        begin_s, frames = self._measured
        # Another model is published at once, maybe after a few frames.
        if now_s - begin_s >= _LEAST_MEASURED_S:
            self._fps = round((self._frames - frames) / (now_s - begin_s), 2)
            self._measured = now_s, self._frames
        return self._fps

    def _describe(
        self, fps: float | None, temperature_c: float | None
    ) -> dict[str, Any]:
        counts, manifest = self._counts, self._manifest
        refusal = manifest.classes.refusal
        drift = find_drift(refusal.scores, counts.scores) if refusal else None
        last = self._last
        return {
            "format": FORMAT,
            "time": int(time.time()),
            "period_s": int(PERIOD_S),
            "corallite": self._version,
            "model": cut(manifest.model, _MOST_COLUMNS),
            "model_version": cut(manifest.version, _MOST_COLUMNS),
            "device": last and last.device,
            "accelerator_lost": bool(last and last.accelerator_lost),
            "frames": self._frames,
            "fps": fps,
            "unknown": round(counts.unknown / counts.seen, 4) if counts.seen else None,
            "scores": [*counts.scores],
            "drift": None if drift is None else round(drift, 4),
            "temperature_c": temperature_c,
            **self._channel,
        }


def _describe_channel(status: Status) -> dict[str, str]:
    """Returns the fields of a channel that is followed; none without one."""
    if not status.channel_state:
        return {}
    fields = status._asdict().items()
    return {name: value for name, value in fields if name.startswith("channel_")}
