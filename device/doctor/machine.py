"""The description of a machine that the checks need."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Package:
    """An installed Python package with compiled code.

    Attributes:
        name: Its name for pip.
        version: Such as "2.4.6".
        tags: The tags of its wheel, such as "cp311-cp311-linux_aarch64".
        failure: Why it cannot be imported, as part of a sentence; "" if it can.
    """

    name: str
    version: str
    tags: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class OpenCVBuild:
    """The features that OpenCV was built with.

    Attributes:
        gui: The window toolkit, such as "GTK3", or "NONE".
        ffmpeg: Whether it has FFmpeg, to read videos and RTSP.
        gstreamer: Whether it has GStreamer.
    """

    gui: str
    ffmpeg: bool
    gstreamer: bool


@dataclass(frozen=True)
class Node:
    """A device node.

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
        package: The version of its Debian package; "" without one.
        runtime: Its runtime version, such as 14; None if unknown.
        failure: Why it cannot be loaded, as part of a sentence; "" if it can.
    """

    package: str = ""
    runtime: int | None = None
    failure: str = ""


@dataclass(frozen=True)
class Camera:
    """A video capture node.

    Attributes:
        node: Such as /dev/video0.
        name: Its name in the driver.
        driver: Such as "uvcvideo".
        formats: Four-character codes, such as "MJPG".
    """

    node: Node
    name: str = ""
    driver: str = ""
    formats: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelFile:
    """A model file and the result of two inferences.

    Attributes:
        path: The file.
        failure: Why it cannot be used, as part of a sentence; "" if it can.
        crashed: The process that ran it crashed or hung.
        is_readable: Whether the file could be read at all.
        min_runtime: The TFLite version that it needs, such as "2.3.0"; or "".
        min_edgetpu_runtime: The Edge TPU runtime that it needs; None for a model for
            the CPU.
        has_manifest: Whether it carries a manifest of ours.
        labels: The number of labels.
        latency_ms: Latency of the second inference.
        has_twin: Whether a model for the Edge TPU has its CPU fallback beside it.
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
    """A machine as far as it is known.

    Attributes:
        board: Such as "Raspberry Pi 5 Model B Rev 1.0"; "" if unknown.
        architecture: Of the kernel, such as "aarch64".
        pointer_bits: Of this Python: 64 or 32.
        python: Major and minor version.
        numpy: None if it is not installed.
        opencv: None if it is not installed.
        opencv_build: None if OpenCV cannot be imported.
        runtimes: The TFLite runtimes; the first one is used.
        pycoral: The package of that name: "google", "impostor" or "".
        edgetpu_usb: Edge TPUs on USB.
        edgetpu_pci: The number of Edge TPUs on PCIe.
        apex_nodes: The device nodes of those with a driver.
        libedgetpu: None if it is not installed.
        udev_rules: The USB ids of Edge TPUs that udev has a rule for.
        user: This user's name.
        groups: The groups of this process.
        cameras: All video capture nodes.
        has_picamera2: Whether this Python finds picamera2.
        picamera2_failure: Why it cannot be imported; "" if it can.
        system_has_picamera2: Whether the system's Python finds it.
        has_rpicam: Whether rpicam-vid or libcamera-vid is installed.
        throttled: The firmware's throttling bits; None if unknown.
        temperature_c: Temperature of the processor; None if unknown.
        memory_free_mb: Memory available to programs; None if unknown.
        disk_free_mb: In the current folder; None if unknown.
        now_s: The date, in seconds since 1970.
        installed_s: When Corallite was installed, by the same clock.
        is_clock_kept: Whether the network sets the clock; None if unknown.
        model: The model file to check; None without one.
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

    @property
    def has_edgetpu(self) -> bool:
        """Whether there is an Edge TPU."""
        return bool(self.edgetpu_usb or self.edgetpu_pci or self.apex_nodes)
