"""Reads temperature, frequency and load of the board from the kernel's files.

All readers take a root folder in place of /, and return None if a sensor is missing.
"""

import contextlib
import os
import re
from pathlib import Path
from typing import NamedTuple

# The bits of a Raspberry Pi's `get_throttled`. The same bits, 16 higher, say that it
# happened since the boot.
THROTTLED_BITS = {
    0: "the voltage is too low",
    1: "the frequency is capped",
    2: "it is throttled",
    3: "it is at its temperature limit",
}
_THROTTLED_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"
_COMMAND_TIMEOUT_S = 5
# Names of the processor's zones: cpu-thermal on a Raspberry Pi (cpu_thermal with older
# kernels), x86_pkg_temp on a PC. Other zones are of batteries, disks or Wi-Fi.
_PROCESSOR_ZONE = r"(?i)cpu|soc|x86_pkg"


class Board(NamedTuple):
    """The state of a board at one moment; None is unknown.

    Attributes:
        temperature_c: Temperature of the processor.
        apex_c: Temperature of the hottest Edge TPU on PCIe.
        throttled: The firmware's bits.
        frequency_mhz: Clock of the first core.
        load: Running and waiting processes per core, in the last minute.
    """

    temperature_c: float | None = None
    apex_c: float | None = None
    throttled: int | None = None
    frequency_mhz: float | None = None
    load: float | None = None

    @property
    def hottest_c(self) -> float | None:
        """The highest known temperature."""
        known = [c for c in (self.temperature_c, self.apex_c) if c is not None]
        return max(known, default=None)


def read_board_name(root: Path) -> str:
    """Returns the model of an Arm board from its device tree; "" on a PC."""
    return read_text(root / "proc/device-tree/model").rstrip("\0")


def read_board(root: Path) -> Board:
    """Reads the current state of a board; takes less than a millisecond.

    Args:
        root: /, or a copy of some of its files.
    """
    kilohertz = _to_int(
        read_text(root / "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq")
    )
    return Board(
        read_temperature_c(root),
        read_apex_c(root),
        read_throttled(root),
        None if kilohertz is None else kilohertz / 1000,
        _read_load(root),
    )


def read_temperature_c(root: Path) -> float | None:
    """Returns the temperature of the processor's hottest zone, else of zone 0."""
    zones = sorted(root.glob("sys/class/thermal/thermal_zone*"))
    of_cpu = [z for z in zones if re.search(_PROCESSOR_ZONE, read_text(z / "type"))]
    return _read_hottest_c([zone / "temp" for zone in of_cpu or zones[:1]])


def read_apex_c(root: Path) -> float | None:
    """Returns the temperature of the hottest Edge TPU on PCIe."""
    return _read_hottest_c(list(root.glob("sys/class/apex/apex_*/temp")))


def read_throttled(root: Path) -> int | None:
    """Returns the throttling bits of a Raspberry Pi from the kernel's file."""
    return _parse_hex(read_text(root / _THROTTLED_FILE))


def ask_firmware() -> int | None:
    """Returns the throttling bits from the program vcgencmd; may take seconds."""
    import subprocess  # Imported late: it would slow down each start.

    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["vcgencmd", "get_throttled"]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S
        )
        return _parse_hex(done.stdout.partition("=")[2])
    return None


def name_throttling(throttled: int) -> list[str]:
    """Returns the causes that are active now, from the lower bits."""
    return [text for bit, text in THROTTLED_BITS.items() if throttled >> bit & 1]


def read_text(path: Path) -> str:
    """Returns the stripped text of a small file; "" if it cannot be read."""
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace").strip()
    return ""


def _read_hottest_c(paths: list[Path]) -> float | None:
    """Returns the highest temperature of files that hold millidegrees."""
    known = [
        value for value in map(_to_int, map(read_text, paths)) if value is not None
    ]
    return max(known) / 1000 if known else None


def _read_load(root: Path) -> float | None:
    found = re.match(r"\d+\.\d+", read_text(root / "proc/loadavg"))
    return float(found[0]) / (os.cpu_count() or 1) if found else None


def _to_int(text: str) -> int | None:
    return int(text) if re.fullmatch(r"-?[0-9]+", text) else None


def _parse_hex(text: str) -> int | None:
    return int(text, 16) if re.fullmatch(r"(?:0x)?[0-9a-f]+", text.strip()) else None
