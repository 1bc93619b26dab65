"""A description of a machine, as far as it matters to Corallite."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """An installed Python package with compiled code.

    Attributes:
        name: As pip calls it.
        version: Such as "2.4.6".
        tags: What its wheel was built for, such as "cp311-cp311-linux_aarch64".
        failure: Why it cannot be imported, as part of a sentence; "" if it can.
    """

    name: str
    version: str
    tags: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class OpenCVBuild:
    """What OpenCV was built with.

    Attributes:
        gui: What shows windows, such as "GTK3"; "NONE".
        ffmpeg: Whether it reads videos and RTSP.
        gstreamer: Whether it takes GStreamer's pipelines.
    """

    gui: str
    ffmpeg: bool
    gstreamer: bool


@dataclass(frozen=True)
class Node:
    """A device node or what stands for one.

    Attributes:
        path: Such as "/dev/apex_0".
        is_open_to_us: Whether this user may read and write it.
    """

    path: str
    is_open_to_us: bool = True


@dataclass(frozen=True)
class UsbDevice:
    """A USB device.

    Attributes:
        usb_id: Vendor and product, such as "18d1:9302".
        node: Its node below /dev/bus/usb.
    """

    usb_id: str
    node: Node


@dataclass(frozen=True)
class EdgeTpuLibrary:
    """The library libedgetpu.

    Attributes:
        package: The version of its Debian package; "" without.
        runtime: What it calls its runtime version, such as 14; None if it does not.
        failure: Why it cannot be loaded, as part of a sentence; "" if it can.
    """

    package: str = ""
    runtime: int | None = None
    failure: str = ""


@dataclass(frozen=True)
class Camera:
    """A node that gives video.

    Attributes:
        node: Such as /dev/video0.
        name: What the driver calls it.
        driver: Such as "uvcvideo".
        formats: Four-character codes, such as "MJPG".
    """

    node: Node
    name: str = ""
    driver: str = ""
    formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelFile:
    """A model file and how its first two inferences went.

    Attributes:
        path: The file.
        failure: Why it cannot be used, as part of a sentence; "" if it can.
        crashed: The trial ended by a crash or hung.
        is_readable: Whether it could be read at all, as what it needs is.
        min_runtime: The TFLite version that it asks for, such as "2.3.0"; or "".
        min_edgetpu_runtime: The Edge TPU runtime that it asks for; None if it is
            for the CPU.
        has_manifest: Whether it says what its labels are.
        labels: How many.
        latency_ms: Of the second inference.
        has_twin: Whether the file for the CPU is beside one for the Edge TPU.
    """

    path: str
    failure: str = ""
    crashed: bool = False
    is_readable: bool = True
    min_runtime: str = ""
    min_edgetpu_runtime: int | None = None
    has_manifest: bool = False
    labels: int = 0
    latency_ms: float = 0.0
    has_twin: bool = False


@dataclass(frozen=True)
class Machine:
    """What was found on a machine, or is to be thought of one.

    Attributes:
        board: Such as "Raspberry Pi 5 Model B Rev 1.0"; "" if it does not say.
        architecture: Of the kernel, such as "aarch64".
        pointer_bits: Of this Python: 64 or 32.
        python: Major and minor version.
        numpy: None if it is not installed.
        opencv: None if it is not installed.
        opencv_build: None if OpenCV cannot be imported.
        runtimes: The TFLite runtimes, the one that is used first.
        pycoral: "google", "impostor" or "": the package of that name.
        edgetpu_usb: Edge TPUs on USB.
        edgetpu_pci: How many are on PCIe.
        apex_nodes: The nodes of those that have a driver.
        libedgetpu: None if there is no such library.
        udev_rules: The USB ids of Edge TPUs that udev has a rule for.
        user: This user's name.
        groups: The groups of this process.
        cameras: Every node that gives video.
        has_picamera2: Whether this Python finds it.
        picamera2_failure: Why it cannot load it nevertheless; "" if it can.
        system_has_picamera2: Whether the system's Python does.
        has_rpicam: Whether the program rpicam-vid or libcamera-vid is here.
        throttled: The firmware's bits; None if there are none to be read.
        temperature_c: Of the processor; None if unknown.
        memory_free_mb: What programs can still have; None if unknown.
        disk_free_mb: Where we are; None if unknown.
        now_s: The date, in seconds since 1970.
        installed_s: When Corallite was installed, by the same clock.
        is_clock_kept: Whether the date comes from the network; None if unknown.
        model: The file that was asked about.
    """

    board: str = ""
    architecture: str = "aarch64"
    pointer_bits: int = 64
    python: tuple[int, int] = (3, 11)
    numpy: Package | None = None
    opencv: Package | None = None
    opencv_build: OpenCVBuild | None = None
    runtimes: tuple[Package, ...] = ()
    pycoral: str = ""
    edgetpu_usb: tuple[UsbDevice, ...] = ()
    edgetpu_pci: int = 0
    apex_nodes: tuple[Node, ...] = ()
    libedgetpu: EdgeTpuLibrary | None = None
    udev_rules: frozenset[str] = frozenset()
    user: str = ""
    groups: frozenset[str] = frozenset()
    cameras: tuple[Camera, ...] = ()
    has_picamera2: bool = False
    picamera2_failure: str = ""
    system_has_picamera2: bool = False
    has_rpicam: bool = False
    throttled: int | None = None
    temperature_c: float | None = None
    memory_free_mb: int | None = None
    disk_free_mb: int | None = None
    now_s: float = 0.0
    installed_s: float = 0.0
    is_clock_kept: bool | None = None
    model: ModelFile | None = None
