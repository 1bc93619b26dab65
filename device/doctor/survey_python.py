"""Describes the installed Python packages, and whether they can be imported.

Each is imported in its own process: a build for another NumPy or CPU may crash.
"""

import importlib.util
import json
import platform
import re
import struct
import sys
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from corallite.device.doctor.machine import (
    EdgeTpuLibrary,
    Machine,
    OpenCVBuild,
    Package,
)
from corallite.device.system.process.isolated import Outcome, try_python

_TIMEOUT_S = 60
# The names for pip by module; the first one is used. Not from `engine.runtime`, which
# cannot be imported if NumPy is broken.
RUNTIMES = {"ai_edge_litert": "ai-edge-litert", "tflite_runtime": "tflite-runtime"}
_OPENCV_NAMES = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python-headless",
    "opencv-contrib-python",
)
_SYSTEM_PYTHON = "/usr/bin/python3"

_OPENCV_CODE = """
import cv2, json, re
lines = cv2.getBuildInformation().splitlines()
fields = dict(re.findall(r"^ *([\\w/]+): +(\\S+)", line)[0] for line in lines
              if re.match(r" *[\\w/]+: +\\S", line))
print(json.dumps({"version": cv2.__version__, "gui": fields.get("GUI", "NONE"),
                  "ffmpeg": fields.get("FFMPEG") == "YES",
                  "gstreamer": fields.get("GStreamer") == "YES"}))
"""
_LIBRARY_CODE = """
import ctypes
library = ctypes.CDLL("libedgetpu.so.1")
library.edgetpu_version.restype = ctypes.c_char_p
print(library.edgetpu_version().decode())
"""
_PICAMERA2_CODE = """
import importlib.util, sys
found = all(map(importlib.util.find_spec, ("picamera2", "libcamera")))
sys.exit(None if found else "not found")
"""


def survey_python(machine: Machine) -> Machine:
    """Adds this Python and its packages, and whether the system has picamera2."""
    opencv = try_python(_OPENCV_CODE, timeout_s=_TIMEOUT_S)
    has_picamera2 = not try_python(_PICAMERA2_CODE, timeout_s=_TIMEOUT_S).failure
    runtimes = [
        _survey(name, try_python(f"import {module}.interpreter", timeout_s=_TIMEOUT_S))
        for module, name in RUNTIMES.items()
        if importlib.util.find_spec(module)
    ]
    return replace(
        machine,
        architecture=platform.machine(),
        pointer_bits=struct.calcsize("P") * 8,
        python=sys.version_info[:2],
        numpy=_survey_numpy(),
        opencv=_survey_opencv(opencv),
        opencv_build=_parse_build(opencv),
        runtimes=tuple(runtimes),
        pycoral=_identify_pycoral(),
        has_picamera2=has_picamera2,
        picamera2_failure=_load_picamera2() if has_picamera2 else "",
        system_has_picamera2=_has_system_picamera2(),
    )


def survey_edgetpu_library(root: Path) -> EdgeTpuLibrary | None:
    """Describes libedgetpu; None if the dynamic linker does not find it.

    Args:
        root: / or a copy, with the list of Debian packages.
    """
    outcome = try_python(_LIBRARY_CODE, timeout_s=_TIMEOUT_S)
    if "cannot open shared object file" in outcome.failure:
        if outcome.failure.startswith("OSError: libedgetpu"):
            return None
    runtime = re.search(r"RuntimeVersion\((\d+)\)", outcome.output)
    return EdgeTpuLibrary(
        package=_find_debian_version(root),
        runtime=int(runtime[1]) if runtime else None,
        failure=outcome.failure,
    )


def _survey_numpy() -> Package | None:
    if not importlib.util.find_spec("numpy"):
        return None
    outcome = try_python("import numpy", timeout_s=_TIMEOUT_S)
    return _survey("numpy", outcome)


def _survey_opencv(outcome: Outcome) -> Package | None:
    if not importlib.util.find_spec("cv2"):
        return None
    for name in _OPENCV_NAMES:
        package = _survey(name, outcome)
        if package.version:
            return package
    # Debian's package, which pip does not list.
    return Package("OpenCV", "", failure=outcome.failure)


def _survey(name: str, outcome: Outcome) -> Package:
    try:
        distribution = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return Package(name, "", failure=outcome.failure)
    wheel = distribution.read_text("WHEEL") or ""
    tags = tuple(re.findall(r"^Tag: (\S+)", wheel, re.MULTILINE))
    return Package(name, distribution.version, tags, outcome.failure)


def _parse_build(outcome: Outcome) -> OpenCVBuild | None:
    if outcome.failure:
        return None
    content = json.loads(outcome.output.splitlines()[-1])
    return OpenCVBuild(content["gui"], content["ffmpeg"], content["gstreamer"])


def _identify_pycoral() -> str:
    spec = importlib.util.find_spec("pycoral")
    if spec is None:
        return ""
    # Not imported: an unknown package of that name may do anything.
    folders = map(Path, spec.submodule_search_locations or [])
    is_google = any((folder / "utils" / "edgetpu.py").exists() for folder in folders)
    return "google" if is_google else "impostor"


def _load_picamera2() -> str:
    """Returns why it cannot be imported; "" if it can."""
    return try_python("import picamera2", timeout_s=_TIMEOUT_S).failure


def _has_system_picamera2() -> bool:
    if not Path(_SYSTEM_PYTHON).exists():
        return False
    outcome = try_python(_PICAMERA2_CODE, timeout_s=_TIMEOUT_S, python=_SYSTEM_PYTHON)
    return not outcome.failure


def _find_debian_version(root: Path) -> str:
    try:
        text = (root / "var/lib/dpkg/status").read_text(errors="replace")
    except OSError:
        return ""
    for paragraph in text.split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*)$", paragraph, re.MULTILINE))
        is_installed = fields.get("Status", "").endswith(" installed")
        if is_installed and re.match("libedgetpu1", fields.get("Package", "")):
            return fields.get("Version", "")
    return ""
