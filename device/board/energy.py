"""Reads how much energy was used, where the machine has a meter that we may read."""

import time
from pathlib import Path


class Meter:
    """The energy of the whole package or board, whatever else runs there."""

    def __init__(self, path: Path, name: str, *, is_counter: bool) -> None:
        """Reads it once.

        Args:
            path: A counter of microjoules, or what tells the power in microwatts now.
            name: For people.
            is_counter: Which of the two. Power is the mean of two readings times the
                time between, good for a steady load only.

        Raises:
            OSError: It cannot be read.
        """
        self.name = name
        self._path = path
        self._is_counter = is_counter
        self.start()

    def start(self) -> None:
        """Begins to measure."""
        self._start_s, self._start = time.monotonic(), self._read()

    def stop(self) -> float:
        """Returns the joules since `start`."""
        end = self._read()
        if self._is_counter:
            # The counter begins again at 0 after its largest value.
            return (end - self._start) % (self._read_range() or 2**64) / 1e6
        return (self._start + end) / 2 / 1e6 * (time.monotonic() - self._start_s)

    def _read(self) -> int:
        return int(self._path.read_text("ascii"))

    def _read_range(self) -> int:
        path = self._path.with_name("max_energy_range_uj")
        return int(path.read_text("ascii")) if path.exists() else 0


def find_meter(sys_dir: Path = Path("/sys")) -> Meter | None:
    """Returns RAPL's counter of the first package, else a power sensor, else None.

    A meter that only root may read is left out.

    Args:
        sys_dir: Where the kernel shows its devices.
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
