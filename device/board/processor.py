"""The name of this machine's processor, for the record of measured times."""

import os
import platform
import re
from pathlib import Path

from corallite.device.board.sensors import read_board_name


def describe_processor(root: Path = Path("/")) -> str:
    """Returns board or processor, architecture and cores: "AMD EPYC, x86_64, 2 cores".

    Args:
        root: Where `proc` is.
    """
    model = read_board_name(root) or _read_processor(root) or "unknown processor"
    cores = os.cpu_count() or 1
    plural = "" if cores == 1 else "s"
    return f"{model}, {platform.machine()}, {cores} core{plural}"


def _read_processor(root: Path) -> str:
    path = root / "proc/cpuinfo"
    text = path.read_text() if path.exists() else ""
    found = re.search(r"^model name\s*: *(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else platform.processor()
