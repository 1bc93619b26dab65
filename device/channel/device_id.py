"""What tells this device from all others."""

import contextlib
import uuid
from pathlib import Path

# The serial number of a board (Raspberry Pi, Coral) differs also among copies of one
# SD card; the machine's id does only if it was made at the first start.
_FILES = ("/proc/device-tree/serial-number", "/etc/machine-id")


def read_device_id() -> str:
    """Returns the board's serial number, else the machine's id, else a MAC address.

    It never leaves this device: only a hash of it is compared.
    """
    for name in _FILES:
        with contextlib.suppress(OSError):
            text = Path(name).read_text(errors="replace").strip("\0 \n")
            if text:
                return text
    return f"{uuid.getnode():012x}"
