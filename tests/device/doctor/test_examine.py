"""The findings of the checks on described machines."""

import json
from dataclasses import replace

import pytest

from corallite.device.doctor import examine
from corallite.device.doctor.finding import Level
from corallite.device.doctor.machine import (
    Camera,
    EdgeTpuLibrary,
    Machine,
    ModelFile,
    Node,
    OpenCVBuild,
    Package,
    UsbDevice,
)

OPEN, CLOSED = Node("/dev/x"), Node("/dev/x", False)
LITERT = Package("ai-edge-litert", "2.3.0", ("cp311-cp311-manylinux_2_27_aarch64",))
TFLITE = Package("tflite-runtime", "2.14.0", ("cp311-cp311-manylinux2014_aarch64",))
OLD_TFLITE = replace(TFLITE, version="2.5.0.post1")
NUMPY = Package("numpy", "2.4.6", ("cp311-cp311-manylinux_2_27_aarch64",))
OPENCV = Package("opencv-python-headless", "5.0.0.93", ("cp37-abi3-linux_aarch64",))
WEBCAM = Camera(OPEN, "HD Camera", "uvcvideo", ("MJPG", "YUYV"))
PROCESSOR = Camera(Node("/dev/video14"), "bcm2835-isp", "bcm2835-isp", ("YU12",))
RIBBON = Camera(Node("/dev/video0"), "unicam", "unicam", ("pBAA",))
USB_TPU = UsbDevice("18d1:9302", OPEN)
CLOSED_TPU = UsbDevice("1a6e:089a", CLOSED)
RULES = frozenset(("1a6e:089a", "18d1:9302"))
GOOGLE_LIBRARY = EdgeTpuLibrary("16.0", 14)
REBUILT_LIBRARY = EdgeTpuLibrary("16.0tf2.14.1-1", 14)
MODEL = ModelFile("a.tflite", has_manifest=True, labels=10, latency_ms=12.34)
TPU_MODEL = replace(MODEL, path="a_edgetpu.tflite", min_edgetpu_runtime=14)
UNREADABLE = ModelFile("a", "a: cannot be read (Is a directory)", is_readable=False)
NOW_S = 1_800_000_000.0

HEALTHY = Machine(
    board="Raspberry Pi 5 Model B Rev 1.0",
    numpy=NUMPY,
    opencv=OPENCV,
    opencv_build=OpenCVBuild("NONE", ffmpeg=True, gstreamer=False),
    runtimes=(LITERT,),
    user="pi",
    groups=frozenset(("pi", "video", "plugdev")),
    cameras=(WEBCAM,),
    has_rpicam=True,
    throttled=0,
    temperature_c=48.3,
    memory_free_mb=3000,
    disk_free_mb=9000,
    now_s=NOW_S,
    installed_s=NOW_S - 1e6,
    is_clock_kept=True,
)

OK, WARN, FAIL = Level.OK, Level.WARNING, Level.FAILURE
CASES = [
    # Python
    ("python", {}, OK, "Python 3.11, 64 bits on aarch64"),
    ("python", {"python": (3, 9)}, FAIL, "Corallite needs Python 3.10 to 3.13"),
    ("python", {"python": (3, 14)}, FAIL, "needs Python 3.10 to 3.13; create an env"),
    ("python", {"pointer_bits": 32}, WARN, "finds no ai-edge-litert; install the 64"),
    ("python", {"pointer_bits": 32, "python": (3, 12)}, FAIL, "has a 32-bit build"),
    ("wheels", {}, OK, "built for this Python and CPU"),
    ("wheels", {"python": (3, 12)}, FAIL, "numpy 2.4.6 was built for cp311-cp311-man"),
    ("wheels", {"architecture": "x86_64"}, FAIL, "this is Python 3.11 on x86_64; pip"),
    (
        "wheels",
        {"opencv": replace(OPENCV, tags=("cp312-abi3-linux_aarch64",))},
        FAIL,
        "opencv-python-headless 5.0.0.93 was built for cp312-abi3",
    ),
    (
        "wheels",
        {
            "architecture": "armv7l",
            "pointer_bits": 32,
            "numpy": replace(NUMPY, tags=("cp311-cp311-linux_armv6l",)),
            "opencv": None,
            "runtimes": (replace(TFLITE, tags=("py3-none-any",)),),
        },
        OK,
        "",
    ),
    ("numpy", {"numpy": None}, FAIL, "NumPy is not installed; pip install numpy"),
    ("numpy", {"runtimes": (TFLITE,)}, FAIL, "tflite-runtime 2.14.0 needs NumPy below"),
    ("numpy", {"runtimes": (TFLITE,)}, FAIL, "; pip install 'numpy<2', or replace the"),
    (
        "numpy",
        {"runtimes": (TFLITE,), "numpy": replace(NUMPY, version="1.26.4")},
        OK,
        "NumPy 1.26.4",
    ),
    (
        "numpy",
        {"numpy": replace(NUMPY, failure="crashed with SIGILL")},
        FAIL,
        "numpy 2.4.6 cannot be imported (crashed with SIGILL); pip install --force-r",
    ),
    ("runtime", {}, OK, "ai-edge-litert 2.3.0"),
    (
        "runtime",
        {"runtimes": ()},
        FAIL,
        "no TFLite runtime is installed; pip install a",
    ),
    ("runtime", {"runtimes": (), "pointer_bits": 32}, FAIL, "tflite-runtime 'numpy<2'"),
    (
        "runtime",
        {"runtimes": (replace(LITERT, failure="ImportError: GLIBC_2.34"),)},
        FAIL,
        "ai-edge-litert 2.3.0 cannot be imported (ImportError: GLIBC_2.34)",
    ),
    ("opencv", {}, OK, "windows NONE, without GStreamer, with FFmpeg"),
    ("opencv", {"opencv": None}, FAIL, "pip install opencv-python-headless"),
    (
        "opencv",
        {
            "opencv": Package("opencv-python", "4.11", failure="libGL.so.1: cannot"),
            "opencv_build": None,
        },
        FAIL,
        "is the desktop build (libGL.so.1: cannot); pip uninstall opencv-python;",
    ),
    (
        "opencv",
        {"opencv": replace(OPENCV, failure="x"), "opencv_build": None},
        FAIL,
        "cannot be imported (x)",
    ),
    (
        "opencv",
        {"opencv_build": OpenCVBuild("GTK3", False, True)},
        WARN,
        "not read RTSP",
    ),
    ("pycoral", {}, OK, "none is needed"),
    ("pycoral", {"pycoral": "google"}, OK, "is Google's"),
    ("pycoral", {"pycoral": "impostor"}, WARN, "another project with the name of Goo"),
    # Edge TPU
    ("edgetpu", {}, OK, "no Edge TPU; models run on the CPU"),
    (
        "edgetpu",
        {"edgetpu_usb": (USB_TPU,), "edgetpu_pci": 1},
        OK,
        "Edge TPU on USB (18d1:9302) and on PCIe",
    ),
    ("libedgetpu", {}, OK, "none is needed"),
    ("libedgetpu", {"edgetpu_usb": (USB_TPU,)}, FAIL, "not installed; install libed"),
    ("libedgetpu", {"apex_nodes": (OPEN,)}, FAIL, "not installed; install libed"),
    ("libedgetpu", {"libedgetpu": GOOGLE_LIBRARY}, OK, "libedgetpu 16.0 (runtime 14)"),
    (
        "libedgetpu",
        {"libedgetpu": EdgeTpuLibrary(failure="x"), "edgetpu_pci": 1},
        FAIL,
        "libedgetpu cannot be loaded (x)",
    ),
    ("libedgetpu", {"libedgetpu": EdgeTpuLibrary(failure="x")}, WARN, "; remove it"),
    ("pair", {}, OK, "not both installed"),
    ("pair", {"libedgetpu": GOOGLE_LIBRARY}, WARN, "built for TensorFlow 2.5 and cra"),
    (
        "pair",
        {"libedgetpu": GOOGLE_LIBRARY, "edgetpu_usb": (USB_TPU,)},
        FAIL,
        "16.0 (runtime 14) with ai-edge-litert 2.3.0: the library was built for Ten",
    ),
    (
        "pair",
        {
            "libedgetpu": GOOGLE_LIBRARY,
            "edgetpu_usb": (USB_TPU,),
            "runtimes": (TFLITE,),
        },
        FAIL,
        "crashes with it; replace the library with one built for it",
    ),
    ("pair", {"libedgetpu": GOOGLE_LIBRARY, "runtimes": (OLD_TFLITE,)}, OK, "2.5.0"),
    (
        "pair",
        {"libedgetpu": REBUILT_LIBRARY, "runtimes": (TFLITE,)},
        OK,
        "built for each other",
    ),
    (
        "pair",
        {"libedgetpu": REBUILT_LIBRARY, "runtimes": (OLD_TFLITE,)},
        WARN,
        "they may not have been built for each other",
    ),
    (
        "pair",
        {"libedgetpu": REBUILT_LIBRARY},
        WARN,
        "try: corallite doctor --model=",
    ),
    ("pair", {"libedgetpu": EdgeTpuLibrary("", 14)}, WARN, "may not have been"),
    ("usb", {}, OK, "no Edge TPU on USB"),
    ("usb", {"edgetpu_usb": (USB_TPU,), "udev_rules": RULES}, OK, "pi may use"),
    ("usb", {"edgetpu_usb": (USB_TPU,), "user": "root"}, OK, "root may use"),
    (
        "usb",
        {"edgetpu_usb": (USB_TPU,), "udev_rules": frozenset(("18d1:9302",))},
        WARN,
        "no rule for 1a6e:089a; write to /etc/udev/rules.d/99-edgetpu.rules",
    ),
    ("usb", {"edgetpu_usb": (CLOSED_TPU,)}, FAIL, "for 18d1:9302 and 1a6e:089a; write"),
    (
        "usb",
        {"edgetpu_usb": (CLOSED_TPU,), "udev_rules": RULES, "groups": frozenset()},
        FAIL,
        "pi is not in the group plugdev and may not use the Edge TPU; sudo usermod",
    ),
    (
        "usb",
        {"edgetpu_usb": (CLOSED_TPU,), "udev_rules": RULES},
        FAIL,
        "pi may not open /dev/x; reconnect the Edge TPU",
    ),
    ("apex", {}, OK, "no Edge TPU on PCIe"),
    (
        "apex",
        {"edgetpu_pci": 2, "apex_nodes": (OPEN,)},
        FAIL,
        "2 Edge TPUs on PCIe, but",
    ),
    ("apex", {"edgetpu_pci": 1}, FAIL, "the driver is not loaded; sudo apt install ga"),
    (
        "apex",
        {"edgetpu_pci": 1, "apex_nodes": (CLOSED,)},
        FAIL,
        "pi may not open /dev/x; sudo usermod -aG apex",
    ),
    ("apex", {"edgetpu_pci": 1, "apex_nodes": (OPEN,)}, OK, "/dev/x"),
    # Cameras
    ("cameras", {}, OK, "/dev/x HD Camera (MJPG, YUYV)"),
    ("cameras", {"cameras": ()}, OK, "no USB camera"),
    ("cameras", {"cameras": (RIBBON, PROCESSOR)}, OK, "no USB camera"),
    (
        "cameras",
        {"cameras": (Camera(CLOSED),)},
        FAIL,
        "pi may not open /dev/x; sudo usermod -aG v",
    ),
    ("csi", {}, OK, "no CSI camera found; rpicam-vid is installed"),
    ("csi", {"has_picamera2": True}, OK, "picamera2 is installed"),
    (
        "csi",
        {"cameras": (RIBBON,), "picamera2_failure": "dtype size"},
        WARN,
        "picamera2 cannot be imported (dtype size); rpicam-vid is used instead; if the",
    ),
    (
        "csi",
        {"cameras": (RIBBON,), "picamera2_failure": "x", "has_rpicam": False},
        FAIL,
        "picamera2 cannot be imported (x); if the error is about NumPy: pip install 'n",
    ),
    (
        "csi",
        {"cameras": (RIBBON,)},
        OK,
        "a CSI camera at /dev/video0; use classify --source=csi",
    ),
    ("csi", {"has_rpicam": False}, OK, "no CSI camera"),
    (
        "csi",
        {"cameras": (RIBBON,), "has_rpicam": False, "system_has_picamera2": True},
        FAIL,
        "does not include the system's picamera2; create it again with: python3 -m ven",
    ),
    ("csi", {"cameras": (RIBBON,), "has_rpicam": False}, FAIL, "neither picamera2 nor"),
    # The board
    ("power", {}, OK, "throttling none, 48 degrees"),
    ("power", {"throttled": None, "temperature_c": None}, OK, "throttling unknown"),
    (
        "power",
        {"throttled": 0x50005},
        WARN,
        "now the voltage is too low, it is throttled",
    ),
    (
        "power",
        {"throttled": 0x50000},
        WARN,
        "since the start the voltage is too low, it",
    ),
    ("power", {"throttled": 0x20000}, WARN, "since the start the frequency is capped"),
    (
        "power",
        {"throttled": 0x8},
        WARN,
        "now it is at its temperature limit, 48 degrees",
    ),
    ("power", {"temperature_c": 81.0}, WARN, "81 degrees: it will slow down; cool it"),
    ("memory", {}, OK, "3000 MB of memory free"),
    ("memory", {"memory_free_mb": None}, OK, "unknown"),
    ("memory", {"memory_free_mb": 199}, WARN, "199 MB"),
    (
        "memory",
        {"memory_free_mb": 59},
        FAIL,
        "59 MB of memory free; end other programs",
    ),
    ("disk", {}, OK, "9000 MB"),
    ("disk", {"disk_free_mb": None}, OK, "unknown"),
    ("disk", {"disk_free_mb": 99}, WARN, "99 MB"),
    ("disk", {"disk_free_mb": 0}, FAIL, "0 MB of disk free in this folder; delete"),
    ("clock", {}, OK, "the date is 2027-01-15"),
    ("clock", {"is_clock_kept": None}, OK, ""),
    (
        "clock",
        {"is_clock_kept": False},
        WARN,
        "not set from the network since the start",
    ),
    ("clock", {"now_s": 0.0}, FAIL, "the date is 1970-01-01, before Corallite was ins"),
    # The model
    (
        "needs",
        {"model": UNREADABLE},
        FAIL,
        "a: cannot be read (Is a directory); give a .tflite file",
    ),
    ("needs", {"model": ModelFile("a.tflite", "x")}, OK, "does not name the TFLite"),
    ("needs", {"model": MODEL}, OK, "does not name the TFLite version"),
    ("needs", {"model": replace(MODEL, min_runtime="2.3.0")}, OK, "needs TFLite 2.3.0"),
    (
        "needs",
        {"model": replace(MODEL, min_runtime="2.16.0"), "runtimes": (TFLITE,)},
        FAIL,
        "needs TFLite 2.16.0; 2.14.0 is installed; install ai-edge-litert",
    ),
    (
        "needs",
        {"model": replace(MODEL, min_runtime="2.14.0"), "runtimes": (TFLITE,)},
        OK,
        "",
    ),
    (
        "needs",
        {"model": TPU_MODEL},
        FAIL,
        "needs an Edge TPU with runtime 14, and there",
    ),
    ("needs", {"model": TPU_MODEL, "edgetpu_pci": 1}, WARN, "of libedgetpu is unknown"),
    (
        "needs",
        {"model": TPU_MODEL, "edgetpu_pci": 1, "libedgetpu": EdgeTpuLibrary("15", 13)},
        FAIL,
        "libedgetpu has 13; install a newer libedgetpu, or compile with --min_runtime",
    ),
    (
        "needs",
        {"model": TPU_MODEL, "edgetpu_usb": (USB_TPU,), "libedgetpu": GOOGLE_LIBRARY},
        OK,
        "; libedgetpu has 14",
    ),
    ("run", {"model": MODEL}, OK, "a.tflite: runs, 12.3 ms for the second"),
    (
        "run",
        {"model": ModelFile("a.tflite", "crashed with SIGSEGV", crashed=True)},
        FAIL,
        "a.tflite: does not run (crashed with SIGSEGV); reinstall the TFLite runtime",
    ),
    (
        "run",
        {"model": replace(TPU_MODEL, failure="crashed with SIGSEGV", crashed=True)},
        FAIL,
        "; install a libedgetpu and a TFLite runtime that were built for each other",
    ),
    (
        "run",
        {"model": ModelFile("a.tflite", "a.tflite: not a TFLite model")},
        FAIL,
        "a.tflite: not a TFLite model; see the lines above",
    ),
    ("twin", {"model": MODEL}, OK, "no model for an Edge TPU"),
    (
        "twin",
        {"model": TPU_MODEL},
        WARN,
        "has no CPU fallback for a failure of the Edge TPU; put the file that it was",
    ),
    (
        "twin",
        {"model": replace(TPU_MODEL, has_twin=True)},
        OK,
        "has its CPU fallback beside it",
    ),
    ("manifest", {"model": MODEL}, OK, "its manifest has 10 labels"),
    (
        "manifest",
        {"model": replace(MODEL, has_manifest=False)},
        OK,
        "a.tflite: its TFLite Metadata name 10 labels",
    ),
    (
        "manifest",
        {"model": ModelFile("a.tflite")},
        WARN,
        "; use classify --labels=FILE",
    ),
    (
        "manifest",
        {"model": UNREADABLE},
        FAIL,
        "a: cannot be read (Is a directory); give a .tflite file",
    ),
    (
        "manifest",
        {"model": ModelFile("a.tflite", "x")},
        WARN,
        "a.tflite: its manifest is not checked because the model does not run; fix",
    ),
]


@pytest.mark.parametrize(("check", "changes", "level", "text"), CASES)
def test_check_has_the_expected_finding(check, changes, level, text):
    findings = examine.examine(replace(HEALTHY, **changes))
    line = examine.to_line(check, findings[check])
    assert findings[check].level is level, line
    assert text in line
    assert "\n" not in line and not line.endswith((".", ";"))
    if level is FAIL:
        assert findings[check].remedy and not examine.will_work(findings)


def test_healthy_machine_works():
    findings = examine.examine(replace(HEALTHY, model=MODEL))
    assert {finding.level for finding in findings.values()} == {OK}
    assert examine.will_work(findings)


def test_empty_description_can_be_examined():
    assert not examine.will_work(examine.examine(Machine()))


def test_model_is_checked_only_if_given():
    assert "run" not in examine.examine(HEALTHY)
    assert list(examine.examine(replace(HEALTHY, model=MODEL)))[-1] == "manifest"


def test_every_check_has_a_case():
    names = {*examine.CHECKS, *examine.MODEL_CHECKS}
    assert {check for check, *_ in CASES} == names


def test_line_has_a_mark_a_name_and_a_sentence():
    machine = replace(HEALTHY, numpy=None)
    lines = [examine.to_line(*item) for item in examine.examine(machine).items()]
    assert lines[0] == "ok    python      Python 3.11, 64 bits on aarch64"
    assert lines[2] == "FAIL  numpy       NumPy is not installed; pip install numpy"


def test_json_has_findings_and_the_machine():
    findings = examine.examine(HEALTHY)
    content = json.loads(json.dumps(examine.to_json(HEALTHY, findings)))
    assert content["works"] is True
    assert [row["check"] for row in content["findings"]] == list(examine.CHECKS)
    assert content["findings"][0]["level"] == "ok"
    assert content["machine"]["board"] == HEALTHY.board
    assert content["machine"]["groups"] == ["pi", "plugdev", "video"]
