"""Finds Edge TPUs from the files of the kernel, without libedgetpu."""

from collections.abc import Iterator
from pathlib import Path

from corallite.device.board.sensors import read_text

# Vendor and product on USB, before and after the firmware is loaded.
USB_IDS = ("1a6e:089a", "18d1:9302")


def find_usb(root: Path) -> Iterator[tuple[str, Path]]:
    """Yields the USB id and the folder of each Edge TPU on USB.

    Args:
        root: / or a copy of parts of it.
    """
    for folder in sorted(root.glob("sys/bus/usb/devices/*")):
        usb_id = f"{read_text(folder / 'idVendor')}:{read_text(folder / 'idProduct')}"
        if usb_id in USB_IDS:
            yield usb_id, folder


def find_apex_nodes(root: Path) -> list[Path]:
    """Returns the device nodes of Edge TPUs on PCIe and M.2."""
    return sorted(root.glob("dev/apex_*"))


def is_edgetpu_here(root: Path = Path("/")) -> bool:
    """Returns whether the kernel has found an Edge TPU, even one that does not work."""
    return bool(find_apex_nodes(root)) or any(find_usb(root))
