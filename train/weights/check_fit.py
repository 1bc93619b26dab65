"""Refuses weights that do not fit a network."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from corallite.device.system.errors import RequestError


def check_fit(
    kind: str,
    expected: Mapping[str, Any],
    found: Mapping[str, Any],
    network: str,
    source: Path,
) -> None:
    """Compares the shapes of what a network expects with those of a file.

    Args:
        kind: "tensor" or "layer", for messages.
        expected: Shapes that the network needs, by the file's names.
        found: Shapes in the file.
        network: Name and width, for messages.
        source: The file, for messages.

    Raises:
        RequestError: A name is missing, is unknown or has another shape; the message
            names the first.
    """
    remedy = "give a file of that network."
    for name, shape in expected.items():
        if name not in found:
            raise RequestError(
                f"{source} has no {kind} {name!r}, expected of {network} with shape "
                f"{shape}; {remedy}"
            )
        if found[name] != shape:
            raise RequestError(
                f"{source}: {kind} {name!r} has shape {found[name]}, expected {shape} "
                f"for {network}; {remedy}"
            )
    for name in found:
        if name not in expected:
            raise RequestError(
                f"{source} has a {kind} {name!r}, unknown to {network}; {remedy}"
            )
