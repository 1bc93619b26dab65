"""Checks of Python and its packages, as functions of a machine's description."""

import re

from corallite.device.doctor.finding import Finding, failure, ok, warning
from corallite.device.doctor.machine import Machine, Package

_FIRST_PYTHON, _LAST_PYTHON = (3, 10), (3, 13)
_LAST_TFLITE_RUNTIME_PYTHON = (3, 11)


def check_interpreter(machine: Machine) -> Finding:
    """Checks the version of Python, and that it is 64-bit on a 64-bit kernel."""
    name = f"Python {_dotted(machine.python)}, {machine.pointer_bits} bits"
    name += f" on {machine.architecture}"
    if not _FIRST_PYTHON <= machine.python <= _LAST_PYTHON:
        return failure(
            f"{name}: Corallite needs Python {_dotted(_FIRST_PYTHON)} to "
            f"{_dotted(_LAST_PYTHON)}",
            "create an environment with one of these",
        )
    if machine.pointer_bits == 32 and machine.python > _LAST_TFLITE_RUNTIME_PYTHON:
        return failure(
            f"{name}: no TFLite runtime has a 32-bit build for it",
            "install the 64-bit system, or Python 3.11",
        )
    if machine.pointer_bits == 32 and machine.architecture == "aarch64":
        return warning(
            f"{name}: pip mistakes it for a 64-bit Python and finds no ai-edge-litert",
            "install the 64-bit system, or: pip install 'numpy<2' "
            "opencv-python-headless absl-py tflite-runtime",
        )
    return ok(name)


def check_wheels(machine: Machine) -> Finding:
    """Checks that packages were built for this Python and CPU."""
    packages = [machine.numpy, machine.opencv, *machine.runtimes]
    for package in filter(None, packages):
        if package.tags and not any(_fits(tag, machine) for tag in package.tags):
            return failure(
                f"{package.name} {package.version} was built for {package.tags[0]}, "
                f"but this is Python {_dotted(machine.python)} on {_cpu(machine)}",
                f"pip install --force-reinstall {package.name}",
            )
    return ok("packages were built for this Python and CPU")


def check_numpy(machine: Machine) -> Finding:
    """Checks NumPy, and that it works with the TFLite runtime."""
    numpy = machine.numpy
    if numpy is None:
        return failure("NumPy is not installed", "pip install numpy")
    runtime = machine.runtimes[0] if machine.runtimes else None
    is_too_new = int(numpy.version.partition(".")[0] or 0) >= 2
    if runtime and runtime.name == "tflite-runtime" and is_too_new:
        return failure(
            f"{_title(runtime)} needs NumPy below 2, but this is {numpy.version}",
            "pip install 'numpy<2', or replace the runtime with ai-edge-litert",
        )
    if numpy.failure:
        return _not_importable(numpy)
    return ok(f"NumPy {numpy.version}")


def check_runtime(machine: Machine) -> Finding:
    """Checks that a TFLite runtime can be imported."""
    if not machine.runtimes:
        return failure(
            "no TFLite runtime is installed",
            "pip install tflite-runtime 'numpy<2'"
            if machine.pointer_bits == 32
            else "pip install ai-edge-litert",
        )
    runtime = machine.runtimes[0]
    return _not_importable(runtime) if runtime.failure else ok(_title(runtime))


def check_opencv(machine: Machine) -> Finding:
    """Checks OpenCV and the features that it was built with."""
    opencv, build = machine.opencv, machine.opencv_build
    if opencv is None:
        return failure("OpenCV is not installed", "pip install opencv-python-headless")
    if opencv.failure or build is None:
        if "libGL" in opencv.failure:
            return failure(
                f"{_title(opencv)} is the desktop build ({opencv.failure})",
                f"pip uninstall {opencv.name}; pip install opencv-python-headless",
            )
        return _not_importable(opencv)
    with_gstreamer = "with" if build.gstreamer else "without"
    text = f"{_title(opencv)}, windows {build.gui}, {with_gstreamer} GStreamer"
    if not build.ffmpeg:
        return warning(
            f"{text}, without FFmpeg: it cannot read RTSP and most videos",
            "pip install opencv-python-headless",
        )
    return ok(f"{text}, with FFmpeg")


def check_pycoral(machine: Machine) -> Finding:
    """Checks that a package named pycoral is that of Google."""
    if machine.pycoral == "impostor":
        return warning(
            "the installed pycoral is another project with the name of Google's",
            "pip uninstall pycoral; Corallite needs none, and Google's is not on PyPI",
        )
    return ok(
        "pycoral is Google's" if machine.pycoral else "no pycoral; none is needed"
    )


def _fits(tag: str, machine: Machine) -> bool:
    """Returns whether a wheel's tag, python-abi-platform, is for this machine."""
    python, abi, platform = tag.split("-", 2)
    if re.fullmatch(r"cp3\d+t?", abi):
        if abi != f"cp{machine.python[0]}{machine.python[1]}":
            return False
    elif abi == "abi3" and _version_of(python) > machine.python:
        return False
    cpu = _cpu(machine).lower()
    # piwheels' armv6l builds run on both; universal2 has both architectures of Apple.
    compatible = {"armv7l": "armv6l", "arm64": "universal2", "x86_64": "universal2"}
    return platform == "any" or platform.endswith((cpu, compatible.get(cpu, cpu)))


def _cpu(machine: Machine) -> str:
    is_32_bit = machine.architecture == "aarch64" and machine.pointer_bits == 32
    return "armv7l" if is_32_bit else machine.architecture


def _version_of(python: str) -> tuple[int, ...]:
    found = re.match(r"[a-z]+(\d)(\d*)", python)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)


def _not_importable(package: Package) -> Finding:
    return failure(
        f"{_title(package)} cannot be imported ({package.failure})",
        f"pip install --force-reinstall {package.name}",
    )


def _title(package: Package) -> str:
    return f"{package.name} {package.version}".rstrip()


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
