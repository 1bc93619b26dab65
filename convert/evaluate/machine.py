"""Says in a few words which machine this is, so that measured times mean something."""

import os
import platform
import re
from pathlib import Path


def describe_machine(root: Path = Path("/")) -> str:
    """Returns processor, architecture, cores and system, such as on a report.

    Args:
        root: Where `proc` and `sys` are.
    """
    model = _read_board(root) or _read_processor(root) or "unknown processor"
    cores = os.cpu_count() or 1
    plural = "" if cores == 1 else "s"
    return (
        f"{model}, {platform.machine()}, {cores} core{plural}, {platform.system()} "
        f"{platform.release()}"
    )


def _read_board(root: Path) -> str:
    """Returns what an Arm board calls itself; "" on a PC."""
    path = root / "proc/device-tree/model"
    return path.read_text().strip("\0\n") if path.exists() else ""


def _read_processor(root: Path) -> str:
    path = root / "proc/cpuinfo"
    text = path.read_text() if path.exists() else ""
    found = re.search(r"^model name\s*: *(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor()
