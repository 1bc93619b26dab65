"""Queries video nodes from the kernel, without OpenCV (linux/videodev2.h)."""

import fcntl
import os
import struct
from collections.abc import Callable
from pathlib import Path

from corallite.device.doctor.machine import Camera, Node

_QUERY_CAPABILITIES = 0x80685600  # VIDIOC_QUERYCAP
_ENUMERATE_FORMAT = 0xC0405602  # VIDIOC_ENUM_FMT
# driver, card, bus_info, version, capabilities, device_caps, reserved
_CAPABILITIES = struct.Struct("16s32s32sIII12x")
# index, type, flags, description, pixelformat, mbus_code, reserved
_FORMAT = struct.Struct("III32s4sI12x")
_VIDEO_CAPTURE = 1
_HAS_DEVICE_CAPABILITIES = 1 << 31
_MAX_FORMATS = 64


def describe_node(path: Path) -> Node:
    """Describes a device node, and whether this user may read and write it."""
    return Node(str(path), os.access(path, os.R_OK | os.W_OK))


def describe_camera(
    path: Path, ioctl: Callable[[int, int, bytearray], int] = fcntl.ioctl
) -> Camera | None:
    """Describes a video node; None if it is not a video capture device.

    Args:
        path: Such as /dev/video0.
        ioctl: The system call, which fills its last argument.
    """
    node = describe_node(path)
    if not node.is_open_to_us:
        return Camera(node)
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK)
    except OSError:
        return None  # A node without a device.
    try:
        return _query(node, descriptor, ioctl)
    except OSError:
        return None  # Not a video device.
    finally:
        os.close(descriptor)


def _query(
    node: Node, descriptor: int, ioctl: Callable[[int, int, bytearray], int]
) -> Camera | None:
    answer = bytearray(_CAPABILITIES.size)
    ioctl(descriptor, _QUERY_CAPABILITIES, answer)
    driver, card, _, _, all_nodes, this_node = _CAPABILITIES.unpack(answer)
    has_own = all_nodes & _HAS_DEVICE_CAPABILITIES
    if not (this_node if has_own else all_nodes) & _VIDEO_CAPTURE:
        return None  # A decoder, or the metadata node of a camera.
    formats = tuple(_formats(descriptor, ioctl))
    return Camera(node, _text(card), _text(driver), formats) if formats else None


def _formats(descriptor: int, ioctl: Callable[[int, int, bytearray], int]) -> list[str]:
    formats: list[str] = []
    for index in range(_MAX_FORMATS):
        asked = _FORMAT.pack(index, _VIDEO_CAPTURE, 0, b"", b"", 0)
        answer = bytearray(asked)
        try:
            ioctl(descriptor, _ENUMERATE_FORMAT, answer)
        except OSError:
            break  # No more formats.
        formats.append(_text(_FORMAT.unpack(answer)[4]))
    return formats


def _text(content: bytes) -> str:
    return content.partition(b"\0")[0].decode("ascii", "replace").strip()
