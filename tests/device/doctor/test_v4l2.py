"""Video nodes, with a fake kernel behind the system call."""

import errno
import struct

import pytest

from corallite.device.doctor.machine import Camera, Node
from corallite.device.doctor.v4l2 import describe_camera

QUERY, FORMAT = 0x80685600, 0xC0405602
CAPTURE, OWN = 1, 1 << 31


def kernel(driver="uvcvideo", all_nodes=CAPTURE | OWN, node=CAPTURE, formats=()):
    """Returns an ioctl that answers in the layout of linux/videodev2.h."""

    def ioctl(descriptor, request, answer):
        if request == QUERY:
            names = driver.encode().ljust(16, b"\0") + b"HD Camera".ljust(64, b"\0")
            answer[:] = names + struct.pack("6I", 6, all_nodes, node, 0, 0, 0)
            return 0
        assert request == FORMAT and len(answer) == 64
        index, kind = struct.unpack_from("II", answer)
        assert kind == 1
        if index >= len(formats):
            raise OSError(errno.EINVAL, "no more")
        answer[44:48] = formats[index]
        return 0

    return ioctl


@pytest.fixture
def node(tmp_path):
    path = tmp_path / "video0"
    path.touch()
    return path


def test_camera_is_described(node):
    camera = describe_camera(node, kernel(formats=[b"MJPG", b"Y16 "]))
    assert camera == Camera(Node(str(node)), "HD Camera", "uvcvideo", ("MJPG", "Y16"))


@pytest.mark.parametrize(
    "ioctl",
    [
        kernel(node=0x800000, formats=[b"UVCH"]),  # The camera's metadata.
        kernel(all_nodes=0x4000, formats=[b"H264"]),  # A decoder.
        kernel(formats=[]),
    ],
)
def test_other_video_nodes_are_ignored(node, ioctl):
    assert describe_camera(node, ioctl) is None


def test_old_driver_without_capabilities_of_its_own(node):
    camera = describe_camera(node, kernel(all_nodes=CAPTURE, node=0, formats=[b"YUYV"]))
    assert camera is not None and camera.formats == ("YUYV",)


def test_file_that_is_not_a_video_device_is_ignored(node):
    assert describe_camera(node) is None


def test_missing_node_is_not_open_to_us(tmp_path):
    path = tmp_path / "video9"
    assert describe_camera(path) == Camera(Node(str(path), False))
