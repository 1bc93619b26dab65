"""Describes this machine in a few words, for the record of measured times."""

import platform
from pathlib import Path

from corallite.device.board.processor import describe_processor


def describe_machine(root: Path = Path("/")) -> str:
    """Returns processor, architecture, cores and system, such as on a report.

    Args:
        root: Where `proc` and `sys` are.
    """
    return f"{describe_processor(root)}, {platform.system()} {platform.release()}"
