"""Checks of cameras and the board, as functions of a machine's description."""

import datetime

from corallite.device.board.sensors import name_throttling
from corallite.device.doctor.finding import Finding, failure, ok, warning
from corallite.device.doctor.machine import Machine

# Drivers that give raw sensor data, which libcamera turns into images.
_CSI_DRIVERS = ("unicam", "rp1-cfe", "bcm2835-unicam")
# Video nodes of a Raspberry Pi that are not cameras.
_NO_CAMERAS = ("bcm2835-isp", "bcm2835-codec", "pispbe", "rpivid")
_SINCE_START = 16
_HOT_C = 80
_LITTLE_MEMORY_MB, _TOO_LITTLE_MEMORY_MB = 200, 60
_LITTLE_DISK_MB, _TOO_LITTLE_DISK_MB = 100, 1


def check_cameras(machine: Machine) -> Finding:
    """Checks for USB cameras, and that this user may open them."""
    others = (*_CSI_DRIVERS, *_NO_CAMERAS)
    usb = [camera for camera in machine.cameras if not camera.driver.startswith(others)]
    closed = [camera.node.path for camera in usb if not camera.node.is_open_to_us]
    if closed:
        return failure(
            f"{machine.user} may not open {', '.join(closed)}",
            f"sudo usermod -aG video {machine.user}; then log in again",
        )
    if not usb:
        return ok("no USB camera")
    described = [
        f"{camera.node.path} {camera.name} ({', '.join(camera.formats)})"
        for camera in usb
    ]
    return ok("; ".join(described))


def check_csi(machine: Machine) -> Finding:
    """Checks that a CSI camera can be used."""
    nodes = [x.node.path for x in machine.cameras if x.driver in _CSI_DRIVERS]
    found = f"a CSI camera at {nodes[0]}; use classify --source=csi" if nodes else ""
    if machine.picamera2_failure:
        why = machine.picamera2_failure
        finding = warning if machine.has_rpicam or not nodes else failure
        return finding(
            f"picamera2 cannot be imported ({why})"
            f"{'; rpicam-vid is used instead' if machine.has_rpicam else ''}",
            "if the error is about NumPy: pip install 'numpy<2'",
        )
    if machine.has_picamera2:
        return ok(found or "no CSI camera found; picamera2 is installed")
    if machine.has_rpicam:
        return ok(found or "no CSI camera found; rpicam-vid is installed")
    if not nodes:
        return ok("no CSI camera")
    if machine.system_has_picamera2:
        return failure(
            f"{found}: this environment does not include the system's picamera2",
            "create it again with: python3 -m venv --system-site-packages, or: "
            "sudo apt install rpicam-apps",
        )
    return failure(
        f"{found}: neither picamera2 nor rpicam-vid is installed",
        "sudo apt install rpicam-apps",
    )


def check_power(machine: Machine) -> Finding:
    """Checks that the board runs at full speed."""
    heat = ""
    if machine.temperature_c is not None:
        heat = f"{machine.temperature_c:.0f} degrees"
    now = name_throttling(machine.throttled or 0)
    past = name_throttling((machine.throttled or 0) >> _SINCE_START)
    remedy = "use the board's own power supply and cable, and cool it"
    if now:
        return warning(_join(f"now {', '.join(now)}", heat), remedy)
    if past:
        return warning(_join(f"since the start {', '.join(past)}", heat), remedy)
    if machine.temperature_c is not None and machine.temperature_c >= _HOT_C:
        return warning(f"{heat}: it will slow down", "cool it")
    throttling = "unknown" if machine.throttled is None else "none"
    return ok(_join(f"throttling {throttling}", heat))


def check_memory(machine: Machine) -> Finding:
    """Checks that there is enough memory for a model."""
    free_mb = machine.memory_free_mb
    if free_mb is None:
        return ok("free memory unknown")
    text = f"{free_mb} MB of memory free"
    if free_mb < _TOO_LITTLE_MEMORY_MB:
        return failure(text, "end other programs or add swap")
    if free_mb < _LITTLE_MEMORY_MB:
        return warning(text, "end other programs or add swap")
    return ok(text)


def check_disk(machine: Machine) -> Finding:
    """Checks that there is room for files in the current folder."""
    free_mb = machine.disk_free_mb
    if free_mb is None:
        return ok("free disk unknown")
    text = f"{free_mb} MB of disk free in this folder"
    if free_mb < _TOO_LITTLE_DISK_MB:
        return failure(text, "delete files; logs and results cannot be written")
    if free_mb < _LITTLE_DISK_MB:
        return warning(text, "delete files")
    return ok(text)


def check_clock(machine: Machine) -> Finding:
    """Checks that the clock has been set since the start."""
    today = datetime.datetime.fromtimestamp(machine.now_s, datetime.timezone.utc)
    text = f"the date is {today:%Y-%m-%d}"
    if machine.now_s < machine.installed_s:
        return failure(
            f"{text}, before Corallite was installed: HTTPS certificates are refused "
            "and logs have wrong dates",
            "connect the board to the network or set its clock; see: timedatectl",
        )
    if machine.is_clock_kept is False:
        return warning(
            f"{text}, not set from the network since the start",
            "see: timedatectl timesync-status",
        )
    return ok(text)


def _join(*parts: str) -> str:
    return ", ".join(filter(None, parts))
