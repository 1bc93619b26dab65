"""Describes this machine; what cannot be read is unknown, and never an error."""

import contextlib
import getpass
import grp
import os
import re
import shutil
import time
from dataclasses import replace
from pathlib import Path

from corallite.device.board import edgetpu, sensors
from corallite.device.doctor.machine import Machine, UsbDevice
from corallite.device.doctor.survey_model import survey_model
from corallite.device.doctor.survey_python import survey_edgetpu_library, survey_python
from corallite.device.doctor.v4l2 import describe_camera, describe_node

_EDGETPU_PCI_ID = ("0x1ac1", "0x089a")
_RULE_FOLDERS = ("etc/udev/rules.d", "lib/udev/rules.d", "usr/lib/udev/rules.d")


def survey_machine(model_path: str | None = None) -> Machine:
    """Describes this machine.

    Args:
        model_path: A model file to run; default, none.
    """
    machine = survey_python(Machine())
    machine = survey_system(machine, Path("/"))
    machine = replace(
        machine,
        throttled=sensors.ask_firmware()
        if machine.throttled is None
        else machine.throttled,
        libedgetpu=survey_edgetpu_library(Path("/")),
        has_rpicam=any(map(shutil.which, ("rpicam-vid", "libcamera-vid"))),
        user=_name_user(),
        groups=frozenset(_name_groups()),
        disk_free_mb=_measure_disk(),
        now_s=time.time(),
        installed_s=Path(__file__).stat().st_mtime,
    )
    return machine if model_path is None else survey_model(machine, model_path)


def survey_system(machine: Machine, root: Path) -> Machine:
    """Adds the data of files below `root`, which is / or a copy of parts of it."""
    cameras = map(describe_camera, sorted(root.glob("dev/video*"), key=_number))
    return replace(
        machine,
        board=sensors.read_board_name(root),
        edgetpu_usb=tuple(_find_usb(root)),
        edgetpu_pci=_count_pci(root),
        apex_nodes=tuple(map(describe_node, edgetpu.find_apex_nodes(root))),
        udev_rules=_find_rules(root),
        cameras=tuple(camera for camera in cameras if camera is not None),
        throttled=sensors.read_throttled(root),
        temperature_c=sensors.read_temperature_c(root),
        memory_free_mb=_read_free_memory(root),
        is_clock_kept=_is_clock_kept(root),
    )


def _find_usb(root: Path) -> list[UsbDevice]:
    found = []
    for usb_id, folder in edgetpu.find_usb(root):
        numbers = [sensors.read_text(folder / name) for name in ("busnum", "devnum")]
        path = root.joinpath("dev/bus/usb", *(n.zfill(3) for n in numbers))
        found.append(UsbDevice(usb_id, describe_node(path)))
    return found


def _count_pci(root: Path) -> int:
    return sum(
        (sensors.read_text(folder / "vendor"), sensors.read_text(folder / "device"))
        == _EDGETPU_PCI_ID
        for folder in root.glob("sys/bus/pci/devices/*")
    )


def _find_rules(root: Path) -> frozenset[str]:
    found = set()
    for folder in _RULE_FOLDERS:
        for path in root.glob(f"{folder}/*.rules"):
            for line in sensors.read_text(path).splitlines():
                found |= {
                    usb_id
                    for usb_id in edgetpu.USB_IDS
                    if not line.startswith("#") and _is_rule_for(line, usb_id)
                }
    return frozenset(found)


def _is_rule_for(line: str, usb_id: str) -> bool:
    return all(f'"{part}"' in line.lower() for part in usb_id.split(":"))


def _read_free_memory(root: Path) -> int | None:
    found = re.search(
        r"^MemAvailable: +(\d+) kB", sensors.read_text(root / "proc/meminfo"), re.M
    )
    return int(found[1]) >> 10 if found else None


def _is_clock_kept(root: Path) -> bool | None:
    """Reads the state of systemd-timesyncd, which Raspberry Pi OS runs."""
    folder = root / "run/systemd/timesync"
    return (folder / "synchronized").exists() if folder.exists() else None


def _measure_disk() -> int | None:
    with contextlib.suppress(OSError):  # The current folder may have been deleted.
        return shutil.disk_usage(".").free >> 20
    return None


def _number(path: Path) -> int:
    digits = path.name.removeprefix("video")
    return int(digits) if digits.isdecimal() else 0


def _name_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # In a container, it may have no name.


def _name_groups() -> list[str]:
    names = []
    for number in {os.getegid(), *os.getgroups()}:
        with contextlib.suppress(KeyError):
            names.append(grp.getgrgid(number).gr_name)
    return names
