"""Measures energy, if the machine has a meter that this process may read."""

import time
from pathlib import Path


class Meter:
    """Measures the energy of the whole CPU package or board, with all its processes."""

    def __init__(self, path: Path, name: str, *, is_counter: bool) -> None:
        """Reads the meter once.

        Args:
            path: File of a counter of microjoules, or of the current power in
                microwatts.
            name: Shown to the user.
            is_counter: Whether `path` is a counter. Else energy is the mean power of
                two readings times the time between them, which needs a steady load.

        Raises:
            OSError: The meter cannot be read.
        """
        self.name = name
        self._path = path
        self._is_counter = is_counter
        self.start()

    def start(self) -> None:
        """Starts a measurement."""
        self._start_s, self._start = time.monotonic(), self._read()

    def stop(self) -> float:
        """Returns the joules since `start`."""
        end = self._read()
        if self._is_counter:
            # The counter wraps around to 0 after its largest value.
            return (end - self._start) % (self._read_range() or 2**64) / 1e6
        return (self._start + end) / 2 / 1e6 * (time.monotonic() - self._start_s)

    def _read(self) -> int:
        return int(self._path.read_text("ascii"))

    def _read_range(self) -> int:
        path = self._path.with_name("max_energy_range_uj")
        return int(path.read_text("ascii")) if path.exists() else 0


def find_meter(sys_dir: Path = Path("/sys")) -> Meter | None:
    """Returns RAPL's counter of the first package, else a power sensor, else None.

    Meters that this process may not read are skipped.

    Args:
        sys_dir: The folder /sys of the kernel's devices.
    """
    places = [
        *((path, True) for path in sys_dir.glob("class/powercap/*rapl:0/energy_uj")),
        *((path, True) for path in sys_dir.glob("class/hwmon/*/energy1_input")),
        *((path, False) for path in sys_dir.glob("class/hwmon/*/power1_input")),
    ]
    for path, is_counter in places:
        try:
            title = (path.parent / "name").read_text("ascii").strip()
            return Meter(path, title, is_counter=is_counter)
        except (OSError, ValueError):
            continue
    return None
