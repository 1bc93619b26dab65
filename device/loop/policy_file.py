"""Reads a policy: measured choices, limits, and a network if one was trained."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corallite.device.engine.base import Engine
from corallite.device.engine.cascade.open_cascade import CascadeReload
from corallite.device.engine.cascade.two_models import CascadeEngine
from corallite.device.loop.motion import MotionGate
from corallite.device.loop.policy import (
    MODELS,
    Array,
    Choice,
    NetworkPolicy,
    Policy,
    PolicyThrottle,
    RulePolicy,
)
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.storage import json_text

FORMAT = 1
_INPUTS = 3
_MOST_CHOICES, _MOST_LAYERS, _MOST_WIDTH = 100, 8, 1024


class PolicyFile(NamedTuple):
    """A policy and what it chooses from.

    Attributes:
        choices: Those within the limits of latency and power, in rising order of power.
        policy: Chooses among them.
        max_temperature_c: The limit of the temperature.
    """

    choices: tuple[Choice, ...]
    policy: Policy
    max_temperature_c: float


def read_policy(path: str | Path) -> PolicyFile:
    """Reads a policy file, see docs/device.md.

    Raises:
        RequestError: It cannot be read, is something else, or allows no choice.
    """
    with files.reporting_unreadable(path, "give a JSON file"):
        files.require_regular(path)
        text = files.read_limited(path)
    try:
        return _parse(json_text.parse(text))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        detail = str(error).rstrip(".")
        if isinstance(error, KeyError):
            detail = f"{error} is missing"
        raise RequestError(
            f"{path}: is not a policy ({detail}); see docs/device.md, Heat."
        ) from error


def _parse(content: dict[str, Any]) -> PolicyFile:
    if not isinstance(content, dict) or content["format"] != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    limits = content["limits"]
    choices = [_parse_choice(item) for item in content["choices"]]
    if not 1 <= len(choices) <= _MOST_CHOICES:
        raise ValueError(f"it has not 1 to {_MOST_CHOICES} choices")
    if any(x.watts >= y.watts for x, y in zip(choices, choices[1:], strict=False)):
        raise ValueError("its choices are not in rising order of watts")
    most_ms, most_watts = (
        _number(limits[name]) if name in limits else math.inf
        for name in ("latency_ms", "watts")
    )
    usable = [
        number
        for number, choice in enumerate(choices)
        if choice.latency_ms <= most_ms and choice.watts <= most_watts
    ]
    if not usable:
        raise ValueError("no choice is within its limits")
    max_c = _number(limits["temperature_c"])
    policy: Policy = RulePolicy(len(usable), max_c)
    if content.get("network") is not None:
        layers = _parse_network(content["network"], len(choices))
        policy = NetworkPolicy(layers, usable)
    return PolicyFile(tuple(choices[x] for x in usable), policy, max_c)


def _parse_choice(content: dict[str, Any]) -> Choice:
    model = content["model"]
    if model not in MODELS:
        raise ValueError(f"the model {str(model)[:40]!r} is not first, both or second")
    fps, latency_ms, watts, accuracy = (
        _number(content[name]) for name in ("fps", "latency_ms", "watts", "accuracy")
    )
    if not 0.01 <= fps <= 1000:
        raise ValueError(f"{fps:g} frames/s are not from 0.01 to 1000")
    return Choice(model, fps, latency_ms, watts, accuracy)


def _parse_network(
    content: Sequence[dict[str, Any]], choices: int
) -> list[tuple[Array, Array]]:
    if not 1 <= len(content) <= _MOST_LAYERS:
        raise ValueError(f"its network has not 1 to {_MOST_LAYERS} layers")
    layers, inputs = [], _INPUTS
    for number, item in enumerate(content, 1):
        weights, bias = (np.array(item[x], np.float64) for x in ("weights", "bias"))
        if weights.ndim != 2 or weights.shape != (len(bias), inputs):
            raise ValueError(f"layer {number} of its network does not take {inputs}")
        if len(bias) > _MOST_WIDTH or not np.isfinite([*weights.flat, *bias]).all():
            raise ValueError(f"layer {number} of its network is too wide or not finite")
        layers.append((weights, bias))
        inputs = len(bias)
    if inputs != choices:
        raise ValueError(f"its network gives {inputs} scores for {choices} choices")
    return layers


def _number(value: Any) -> float:
    number = float(value)
    if isinstance(value, str | bool) or not 0 <= number < math.inf:
        raise ValueError(f"{value!r} is not a number of at least 0")
    return number


def open_policy(
    path: str | Path, engine: Engine, gate: MotionGate | None
) -> PolicyThrottle:
    """Returns what applies the policy of a file to the loop.

    Args:
        path: The file.
        engine: One of two models if the policy uses two.
        gate: Tells how much moves; None: everything.

    Raises:
        RequestError: As `read_policy`; or the policy uses two models, but there is one.
    """
    found = read_policy(path)
    cascade = None
    if isinstance(engine, CascadeEngine | CascadeReload):
        cascade = engine.use
    if cascade is None and any(choice.model != "first" for choice in found.choices):
        raise RequestError(
            f"{path}: chooses between two models, but there is one; give the second "
            "one with --then."
        )

    def use(model: str) -> None:
        if cascade is not None:
            cascade.mode = model

    read_load = (lambda: 1.0) if gate is None else gate.read_load
    limit_c = found.max_temperature_c
    return PolicyThrottle(found.choices, found.policy, limit_c, read_load, use)
