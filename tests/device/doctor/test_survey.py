"""The description of machines made of files, and of this one."""

import shutil
import subprocess
import sys

import pytest

from corallite.device.board import sensors
from corallite.device.doctor import survey_python
from corallite.device.doctor.machine import Machine, Node, UsbDevice
from corallite.device.doctor.survey import survey_machine, survey_system
from corallite.device.doctor.survey_python import survey_edgetpu_library
from corallite.device.engine import runtime


@pytest.fixture
def root(tmp_path):
    """A function that writes files of a machine: root({"proc/meminfo": "..."})."""

    def root(files):
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        return tmp_path

    return root


def test_missing_files_are_unknown(tmp_path):
    assert survey_system(Machine(), tmp_path) == Machine()


def test_raspberry_pi_is_described(root):
    files = {
        "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
        "proc/meminfo": "MemTotal: 3884360 kB\nMemAvailable:    1048576 kB\n",
        "sys/class/thermal/thermal_zone0/temp": "48312\n",
        "sys/devices/platform/soc/soc:firmware/get_throttled": "50005\n",
        "run/systemd/timesync/synchronized": "",
    }
    machine = survey_system(Machine(), root(files))
    assert machine.board == "Raspberry Pi 4 Model B Rev 1.4"
    assert machine.memory_free_mb == 1024
    assert machine.temperature_c == pytest.approx(48.312)
    assert machine.throttled == 0x50005
    assert machine.is_clock_kept is True


def test_clock_that_was_not_set_is_detected(root):
    assert (
        survey_system(Machine(), root({"run/systemd/timesync/x": ""})).is_clock_kept
        is False
    )


def test_edge_tpus_are_found(root):
    files = {
        "sys/bus/usb/devices/1-1/idVendor": "1a6e\n",
        "sys/bus/usb/devices/1-1/idProduct": "089a\n",
        "sys/bus/usb/devices/1-1/busnum": "1\n",
        "sys/bus/usb/devices/1-1/devnum": "12\n",
        "sys/bus/usb/devices/1-2/idVendor": "046d\n",
        "sys/bus/usb/devices/1-2/idProduct": "0825\n",
        "sys/bus/pci/devices/0000:01:00.0/vendor": "0x1ac1\n",
        "sys/bus/pci/devices/0000:01:00.0/device": "0x089a\n",
        "sys/bus/pci/devices/0000:00:00.0/vendor": "0x14e4\n",
        "sys/bus/pci/devices/0000:00:00.0/device": "0x2712\n",
        "dev/apex_0": "",
        "dev/bus/usb/001/012": "",
    }
    folder = root(files)
    machine = survey_system(Machine(), folder)
    node = Node(str(folder / "dev/bus/usb/001/012"))
    assert machine.edgetpu_usb == (UsbDevice("1a6e:089a", node),)
    assert machine.edgetpu_pci == 1
    assert machine.apex_nodes == (Node(str(folder / "dev/apex_0")),)


def test_udev_rules_are_read(root):
    rule = 'SUBSYSTEM=="usb",ATTRS{idVendor}=="%s",ATTRS{idProduct}=="%s",GROUP="x"\n'
    files = {
        "lib/udev/rules.d/60-libedgetpu1-std.rules": rule % ("1a6e", "089a"),
        "etc/udev/rules.d/99-mine.rules": "# " + rule % ("18d1", "9302"),
        "etc/udev/rules.d/notes.txt": rule % ("18d1", "9302"),
    }
    machine = survey_system(Machine(), root(files))
    assert machine.udev_rules == {"1a6e:089a"}


def test_files_that_are_not_video_nodes_are_omitted(root):
    assert survey_system(Machine(), root({"dev/video0": ""})).cameras == ()


@pytest.mark.parametrize(
    ("answer", "throttled"),
    [("throttled=0x50000", 0x50000), ("error", None), ("", None)],
)
def test_firmware_is_queried(tmp_path, monkeypatch, answer, throttled):
    program = tmp_path / "vcgencmd"
    program.write_text(f"#!/bin/sh\n[ $1 = get_throttled ] && echo '{answer}'\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert sensors.ask_firmware() == throttled


def test_this_machine_is_surveyed():
    machine = survey_machine()
    assert machine.python == sys.version_info[:2] and machine.pointer_bits in (32, 64)
    assert machine.numpy and machine.numpy.version and not machine.numpy.failure
    assert machine.opencv and machine.opencv.version and machine.opencv_build
    found = machine.runtimes[0]
    assert found.version and not found.failure and found.tags
    assert machine.user and machine.now_s > machine.installed_s > 0
    assert machine.pycoral == "" and machine.model is None


def test_runtimes_are_those_of_the_engine():
    assert tuple(survey_python.RUNTIMES) == runtime.RUNTIMES


@pytest.mark.parametrize(
    ("files", "kind"),
    [
        (
            {"pycoral/__init__.py": "raise SystemError", "pycoral/atlas.py": ""},
            "impostor",
        ),
        ({"pycoral/__init__.py": "", "pycoral/utils/edgetpu.py": ""}, "google"),
        ({"pycoral.py": ""}, "impostor"),
    ],
)
def test_pycoral_of_google_is_recognized(root, monkeypatch, files, kind):
    monkeypatch.syspath_prepend(root(files))
    assert survey_python._identify_pycoral() == kind
    assert "pycoral" not in sys.modules


def test_broken_picamera2_is_reported(root, monkeypatch):
    files = {"picamera2.py": "raise ValueError('numpy.dtype size changed')"}
    monkeypatch.setenv("PYTHONPATH", str(root(files)))
    assert "numpy.dtype size changed" in survey_python._load_picamera2()


DPKG = """Package: libedgetpu1-max
Status: deinstall ok config-files
Version: 14.1

Package: libedgetpu1-std
Status: install ok installed
Architecture: arm64
Version: 16.0tf2.17.1-1.bookworm

Package: libeigen3-dev
Status: install ok installed
Version: 3.4.0
"""
VERSION = (
    'const char* edgetpu_version() { return "BuildLabel(N/A), RuntimeVersion(14)"; }'
)
CRASH = "__attribute__((constructor)) void crash() { *(volatile int*)0 = 0; }"


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A function that compiles a libedgetpu which the dynamic linker finds."""
    if not shutil.which("cc"):
        pytest.skip("needs a C compiler")

    def library(code):
        path = tmp_path / "libedgetpu.so.1"
        command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(path)]
        subprocess.run(command, input=code, text=True, check=True)
        monkeypatch.setenv("LD_LIBRARY_PATH", str(tmp_path))

    return library


def test_library_and_its_package_are_described(library, root):
    library(VERSION)
    found = survey_edgetpu_library(root({"var/lib/dpkg/status": DPKG}))
    assert found is not None
    assert (found.package, found.runtime) == ("16.0tf2.17.1-1.bookworm", 14)
    assert found.failure == ""


def test_library_that_crashes_is_described(library, tmp_path):
    library(CRASH)
    found = survey_edgetpu_library(tmp_path)
    assert found is not None
    assert (found.package, found.failure) == ("", "crashed with SIGSEGV")


def test_no_library_is_none(tmp_path):
    assert survey_edgetpu_library(tmp_path) is None
