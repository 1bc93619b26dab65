"""Finds out what a machine is. Nothing in here fails: what is not there is unknown."""

import contextlib
import getpass
import grp
import os
import re
import shutil
import subprocess
import time
from dataclasses import replace
from pathlib import Path

from corallite.device.doctor.check_edgetpu import USB_IDS
from corallite.device.doctor.machine import Machine, Node, UsbDevice
from corallite.device.doctor.survey_model import survey_model
from corallite.device.doctor.survey_python import survey_edgetpu_library, survey_python
from corallite.device.doctor.v4l2 import describe_camera

_EDGETPU_PCI_ID = ("0x1ac1", "0x089a")
_RULE_FOLDERS = ("etc/udev/rules.d", "lib/udev/rules.d", "usr/lib/udev/rules.d")
_THROTTLED_FILE = "sys/devices/platform/soc/soc:firmware/get_throttled"
_COMMAND_TIMEOUT_S = 5


def survey_machine(model_path: str | None = None) -> Machine:
    """Describes this machine.

    Args:
        model_path: A model file to try.
    """
    machine = survey_python(Machine())
    machine = survey_system(machine, Path("/"))
    machine = replace(
        machine,
        throttled=_ask_firmware() if machine.throttled is None else machine.throttled,
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
    """Adds what the files below `root` say, which is / or a copy of parts of it."""
    cameras = map(describe_camera, sorted(root.glob("dev/video*"), key=_number))
    return replace(
        machine,
        board=_read(root / "proc/device-tree/model").rstrip("\0"),
        edgetpu_usb=tuple(_find_usb(root)),
        edgetpu_pci=_count_pci(root),
        apex_nodes=tuple(_describe(path) for path in sorted(root.glob("dev/apex_*"))),
        udev_rules=_find_rules(root),
        cameras=tuple(camera for camera in cameras if camera is not None),
        throttled=_parse_hex(_read(root / _THROTTLED_FILE)),
        temperature_c=_read_temperature(root),
        memory_free_mb=_read_free_memory(root),
        is_clock_kept=_is_clock_kept(root),
    )


def _find_usb(root: Path) -> list[UsbDevice]:
    found = []
    for folder in sorted(root.glob("sys/bus/usb/devices/*")):
        usb_id = f"{_read(folder / 'idVendor')}:{_read(folder / 'idProduct')}"
        if usb_id in USB_IDS:
            numbers = [_read(folder / name) for name in ("busnum", "devnum")]
            path = root.joinpath("dev/bus/usb", *(n.zfill(3) for n in numbers))
            found.append(UsbDevice(usb_id, _describe(path)))
    return found


def _count_pci(root: Path) -> int:
    return sum(
        (_read(folder / "vendor"), _read(folder / "device")) == _EDGETPU_PCI_ID
        for folder in root.glob("sys/bus/pci/devices/*")
    )


def _find_rules(root: Path) -> frozenset[str]:
    found = set()
    for folder in _RULE_FOLDERS:
        for path in root.glob(f"{folder}/*.rules"):
            for line in _read(path).splitlines():
                found |= {
                    usb_id
                    for usb_id in USB_IDS
                    if not line.startswith("#") and _is_rule_for(line, usb_id)
                }
    return frozenset(found)


def _is_rule_for(line: str, usb_id: str) -> bool:
    return all(f'"{part}"' in line.lower() for part in usb_id.split(":"))


def _read_temperature(root: Path) -> float | None:
    text = _read(root / "sys/class/thermal/thermal_zone0/temp")
    return int(text) / 1000 if text.lstrip("-").isdecimal() else None


def _read_free_memory(root: Path) -> int | None:
    found = re.search(r"^MemAvailable: +(\d+) kB", _read(root / "proc/meminfo"), re.M)
    return int(found[1]) >> 10 if found else None


def _is_clock_kept(root: Path) -> bool | None:
    """Looks for the mark of systemd-timesyncd, which Raspberry Pi OS runs."""
    folder = root / "run/systemd/timesync"
    return (folder / "synchronized").exists() if folder.exists() else None


def _ask_firmware() -> int | None:
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        command = ["vcgencmd", "get_throttled"]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_COMMAND_TIMEOUT_S
        )
        return _parse_hex(done.stdout.partition("=")[2])
    return None


def _parse_hex(text: str) -> int | None:
    return int(text, 16) if re.fullmatch(r"(?:0x)?[0-9a-f]+", text.strip()) else None


def _measure_disk() -> int | None:
    with contextlib.suppress(OSError):  # The folder we are in may be deleted.
        return shutil.disk_usage(".").free >> 20
    return None


def _describe(path: Path) -> Node:
    return Node(str(path), os.access(path, os.R_OK | os.W_OK))


def _number(path: Path) -> int:
    digits = path.name.removeprefix("video")
    return int(digits) if digits.isdecimal() else 0


def _name_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())  # As in a container, without an entry for it.


def _name_groups() -> list[str]:
    names = []
    for number in {os.getegid(), *os.getgroups()}:
        with contextlib.suppress(KeyError):
            names.append(grp.getgrgid(number).gr_name)
    return names


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace").strip()
    return ""
