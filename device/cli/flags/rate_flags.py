"""Flags of which frames are classified, and how often."""

import contextlib
from collections.abc import Iterator
from typing import Any

from absl import flags

from corallite.device.engine.base import Engine
from corallite.device.loop.motion import THRESHOLD, MotionGate
from corallite.device.loop.rate_limit import RateLimiter, Throttle
from corallite.device.loop.thermal import ThermalThrottle
from corallite.device.system.errors import RequestError

_MAX_FPS = flags.DEFINE_float(
    "max_fps",
    None,
    "Maximum frames per second, and how often a snapshot URL is requested; default, no "
    "limit, and 2 snapshots per second.",
    lower_bound=0.01,
)
_MAX_TEMPERATURE = flags.DEFINE_float(
    "max_temperature",
    80.0,
    "Temperature limit of the board in degrees Celsius: from 3 below it, the frame "
    "rate is lowered step by step; from 8 below, it is raised again. A Raspberry Pi's "
    "firmware throttles from 80 on. 0: no limit.",
    lower_bound=0.0,
)
_POLICY = flags.DEFINE_string(
    "policy",
    None,
    "JSON file of measured models and frame rates, and of limits of temperature, power "
    "and latency; in place of --max_temperature.",
)
_MOTION = flags.DEFINE_boolean(
    "motion",
    False,
    "Classify only frames in which something has moved, and one in 10 seconds; the "
    "others repeat the last prediction.",
)
_MOTION_THRESHOLD = flags.DEFINE_float(
    "motion_threshold",
    THRESHOLD,
    "With --motion: how many times the noise of the picture its change must be; more, "
    "for a camera that sees motion where there is none.",
    lower_bound=1.0,
)


def make_gate() -> MotionGate | None:
    """Creates what finds frames in which nothing has moved; None without --motion.

    Raises:
        RequestError: --motion_threshold is given without --motion.
    """
    if _MOTION.value:
        return MotionGate(_MOTION_THRESHOLD.value)
    if flags.FLAGS["motion_threshold"].present:
        raise RequestError("--motion_threshold: needs --motion; give both.")
    return None


@contextlib.contextmanager
def open_rate_limiter(engine: Engine, gate: MotionGate | None) -> Iterator[RateLimiter]:
    """Opens the limiter of the frame rate, by the flags and the temperature.

    Raises:
        RequestError: --policy cannot be used.
    """
    max_c = _MAX_TEMPERATURE.value
    throttle: Throttle | None = ThermalThrottle(max_c) if max_c else None
    if _POLICY.value is not None:
        if flags.FLAGS["max_temperature"].present:
            raise RequestError("--max_temperature: is in the --policy; leave it out.")
        from corallite.device.loop.policy_file import open_policy

        throttle = open_policy(_POLICY.value, engine, gate)
    with contextlib.closing(RateLimiter(_MAX_FPS.value, throttle)) as rate_limiter:
        yield rate_limiter


def max_fps() -> float | None:
    """Returns the most frames per second, if there is a limit."""
    return _MAX_FPS.value


def list_needing_frames() -> dict[str, Any]:
    """Returns the flags that mean nothing without a camera, with their values."""
    return {"motion": _MOTION.value, "policy": _POLICY.value}
