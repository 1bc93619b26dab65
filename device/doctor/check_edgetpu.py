"""Checks of the Edge TPU and its library, as functions of a machine's description."""

import re

from corallite.device.board.edgetpu import USB_IDS
from corallite.device.doctor.finding import Finding, failure, ok, warning
from corallite.device.doctor.machine import EdgeTpuLibrary, Machine, Package

# Google's own libedgetpu, whose Debian version does not name TensorFlow, was last built
# for 2.5; it crashes with tflite-runtime from 2.12 on (google-coral/edgetpu#812).
_FIRST_THAT_CRASHES = (2, 12)
_REBUILT = "one built for it, such as those of github.com/feranick/libedgetpu"
_LIBRARY_REMEDY = f"install libedgetpu1-std, for newer runtimes {_REBUILT}"
_RULES = "; ".join(
    f'SUBSYSTEM=="usb", ATTRS{{idVendor}}=="{usb_id[:4]}", '
    f'ATTRS{{idProduct}}=="{usb_id[5:]}", GROUP="plugdev"'
    for usb_id in USB_IDS
)


def check_device(machine: Machine) -> Finding:
    """Lists the Edge TPUs."""
    names = [f"on USB ({device.usb_id})" for device in machine.edgetpu_usb]
    names += ["on PCIe"] * max(machine.edgetpu_pci, len(machine.apex_nodes))
    if not names:
        return ok("no Edge TPU; models run on the CPU")
    return ok(f"Edge TPU {' and '.join(names)}")


def check_library(machine: Machine) -> Finding:
    """Checks that libedgetpu is installed and can be loaded."""
    library = machine.libedgetpu
    if library is None:
        if machine.has_edgetpu:
            return failure("libedgetpu is not installed", _LIBRARY_REMEDY)
        return ok("no libedgetpu; none is needed")
    if library.failure:
        text = f"{_title(library)} cannot be loaded ({library.failure})"
        if machine.has_edgetpu:
            return failure(text, f"remove it and {_LIBRARY_REMEDY}")
        return warning(text, "remove it")
    return ok(_title(library))


def check_pair(machine: Machine) -> Finding:
    """Checks that libedgetpu and the TFLite runtime were built for each other."""
    library = machine.libedgetpu
    if library is None or not machine.runtimes:
        return ok("libedgetpu and a TFLite runtime are not both installed")
    runtime = machine.runtimes[0]
    pair = f"{_title(library)} with {runtime.name} {runtime.version}"
    built_for = re.search(r"tf(\d+)\.(\d+)", library.package)
    if built_for is None and library.package:
        return _judge_google_build(machine, pair, runtime)
    if built_for and runtime.name == "tflite-runtime":
        if _numbers(runtime) == (int(built_for[1]), int(built_for[2])):
            return ok(f"{pair}: built for each other")
    return warning(
        f"{pair}: they may not have been built for each other, and would then crash",
        "try: corallite doctor --model=MODEL_edgetpu.tflite",
    )


def check_usb_rights(machine: Machine) -> Finding:
    """Checks that this user may use the Edge TPUs on USB."""
    if not machine.edgetpu_usb:
        return ok("no Edge TPU on USB")
    closed = [
        device.node.path
        for device in machine.edgetpu_usb
        if not device.node.is_open_to_us
    ]
    # Its id changes when its firmware is loaded, so both need a rule.
    missing = sorted(set(USB_IDS) - machine.udev_rules)
    if missing and (closed or machine.user != "root"):
        finding = failure if closed else warning
        return finding(
            f"udev has no rule for {' and '.join(missing)}",
            f"write to /etc/udev/rules.d/99-edgetpu.rules, one per line: {_RULES}; "
            "then: sudo udevadm control --reload-rules, and reconnect the Edge TPU",
        )
    if closed and "plugdev" not in machine.groups:
        return failure(
            f"{machine.user} is not in the group plugdev and may not use the Edge TPU",
            f"sudo usermod -aG plugdev {machine.user}; then log in again",
        )
    if closed:
        return failure(
            f"{machine.user} may not open {closed[0]}",
            "reconnect the Edge TPU, so that udev applies its rule",
        )
    return ok(f"{machine.user} may use the Edge TPU on USB")


def check_apex(machine: Machine) -> Finding:
    """Checks the driver of Edge TPUs on PCIe and M.2."""
    if not machine.edgetpu_pci and not machine.apex_nodes:
        return ok("no Edge TPU on PCIe or M.2")
    if len(machine.apex_nodes) < machine.edgetpu_pci:
        return failure(
            f"{machine.edgetpu_pci} Edge TPUs on PCIe, but {len(machine.apex_nodes)} "
            "nodes /dev/apex_*: the driver is not loaded",
            "sudo apt install gasket-dkms, and restart (a Raspberry Pi 5 also needs a "
            "device tree overlay)",
        )
    closed = [node.path for node in machine.apex_nodes if not node.is_open_to_us]
    if closed:
        return failure(
            f"{machine.user} may not open {', '.join(closed)}",
            f"sudo usermod -aG apex {machine.user}, with a udev rule "
            'SUBSYSTEM=="apex", MODE="0660", GROUP="apex"; then restart',
        )
    return ok(", ".join(node.path for node in machine.apex_nodes))


def _judge_google_build(machine: Machine, pair: str, runtime: Package) -> Finding:
    if runtime.name == "tflite-runtime" and _numbers(runtime) < _FIRST_THAT_CRASHES:
        return ok(pair)
    text = f"{pair}: the library was built for TensorFlow 2.5 and crashes with it"
    remedy = f"replace the library with {_REBUILT}"
    return failure(text, remedy) if machine.has_edgetpu else warning(text, remedy)


def _title(library: EdgeTpuLibrary) -> str:
    runtime = "" if library.runtime is None else f" (runtime {library.runtime})"
    return f"libedgetpu {library.package}".rstrip() + runtime


def _numbers(package: Package) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", package.version)[:2])
