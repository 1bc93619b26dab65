"""The simulator's choices as a policy file, with or without a trained network."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from simulator import LIMIT_C, list_choices

from corallite.device.loop.policy_file import FORMAT


def make_content(
    layers: Sequence[tuple[np.ndarray, np.ndarray]] | None = None,
) -> dict[str, Any]:
    """Returns the content of a policy file.

    Args:
        layers: Weights `[outputs, inputs]` and bias of each layer; None for the rule.
    """
    network = layers and [
        {"weights": weights.tolist(), "bias": bias.tolist()} for weights, bias in layers
    ]
    return {
        "format": FORMAT,
        "limits": {"temperature_c": LIMIT_C},
        "choices": [choice._asdict() for choice in list_choices()],
        "network": network,
    }
