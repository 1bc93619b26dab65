"""CSI cameras, with a fake picamera2 and a fake rpicam-vid."""

import os
import sys

import numpy as np
import pytest

from corallite.device.camera import csi
from corallite.device.camera.capture import retrieve_rgb
from corallite.device.camera.connection_state import Timeouts
from corallite.device.camera.csi import ProgramCapture, open_csi
from corallite.device.camera.open_source import open_source
from corallite.device.system.errors import RequestError

# Behaves as picamera2 in all that `csi` uses: formats by name, errors by number.
PICAMERA2 = """
import numpy as np
OPEN = []
class Picamera2:
    def __init__(self, number):
        if number > 1:
            raise IndexError("list index out of range")
        OPEN.append(number)
        self.left = 3
    def create_video_configuration(self, main):
        return main
    def configure(self, main):
        if OPEN == [1]:
            raise RuntimeError("Camera in Acquired state trying acquire().")
        red = {"BGR888": (255, 0, 0), "RGB888": (0, 0, 255)}[main["format"]]
        width, height = main["size"]
        self.image = np.full((height, width, 3), red, np.uint8)
    def start(self):
        pass
    def capture_array(self, name, wait):
        self.left -= 1
        if self.left < 0:
            raise TimeoutError
        return self.image
    def close(self):
        OPEN.clear()
"""


@pytest.fixture
def picamera2(tmp_path, monkeypatch):
    for name, content in (("picamera2", PICAMERA2), ("libcamera", "")):
        (tmp_path / f"{name}.py").write_text(content)
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    sys.modules.pop("picamera2", None)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A function that puts a shell script on the path, as rpicam-vid."""
    monkeypatch.setattr(csi, "has_picamera2", lambda: False)

    def program(script, name="rpicam-vid"):
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"#!/bin/sh\ncd {tmp_path}\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")

    return program


@pytest.fixture
def frames_file(tmp_path, jpeg):
    (tmp_path / "frames").write_bytes(jpeg((255, 0, 0)) + jpeg((0, 0, 255)))


def open_program(number=0):
    capture = open_csi(number)
    assert isinstance(capture, ProgramCapture)
    return capture


def test_picamera2_gives_rgb_and_is_closed(picamera2):
    with open_source("csi", timeouts=Timeouts(give_up_after_s=0)) as stream:
        frame = next(stream)
        assert frame.name == "camera csi:0"
        assert (frame.image_rgb_u8 == (255, 0, 0)).all()
        with pytest.raises(RequestError, match="cannot be used .TimeoutError."):
            list(stream)
    assert sys.modules["picamera2"].OPEN == []


@pytest.mark.parametrize(
    ("number", "why"), [(2, "list index out of range"), (1, "Camera in Acquired state")]
)
def test_refusal_by_picamera2_is_reported_and_it_is_closed(picamera2, number, why):
    with pytest.raises(
        RequestError, match=rf"camera csi:{number}: cannot be .* \({why}"
    ):
        open_csi(number)
    assert sys.modules["picamera2"].OPEN == []


def test_picamera2_without_libcamera_does_not_count(picamera2, tmp_path, monkeypatch):
    assert csi.has_picamera2()
    (tmp_path / "libcamera.py").unlink()
    sys.path_importer_cache.clear()
    assert not csi.has_picamera2()


BROKEN = 'raise ValueError("numpy.dtype size changed.")'


def test_broken_picamera2_is_replaced_by_the_program(
    picamera2, program, tmp_path, monkeypatch, caplog
):
    monkeypatch.setattr(csi, "has_picamera2", lambda: True)
    (tmp_path / "picamera2.py").write_text(BROKEN)
    program("exec sleep 1000")
    open_program().release()
    assert "picamera2 cannot be loaded (numpy.dtype size changed); using" in caplog.text


def test_broken_picamera2_is_reported_if_there_is_no_program(
    picamera2, tmp_path, monkeypatch
):
    (tmp_path / "picamera2.py").write_text(BROKEN)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RequestError, match="size changed.; .* pip install 'numpy<2'"):
        open_csi(0)


@pytest.mark.parametrize("name", ["rpicam-vid", "libcamera-vid"])
def test_program_gives_rgb(program, frames_file, name):
    program('echo "$@" > arguments; cat frames; exec sleep 1000', name)
    capture = open_program(1)
    colours: list[int] = []
    while capture.dropped + len(colours) < 2:
        assert capture.grab()
        colours.append(int(retrieve_rgb(capture)[0, 0].argmax()))
    assert colours in ([0, 2], [2])  # Red and blue, unless both arrive together.
    capture.release()
    assert capture._process.returncode == -15


def test_program_gets_camera_and_format_as_arguments(program, frames_file, tmp_path):
    program('echo "$@" > arguments; cat frames')
    capture = open_program(1)
    assert capture.grab()
    capture.release()
    arguments = (tmp_path / "arguments").read_text()
    assert "--camera 1 --codec mjpeg" in arguments and "--output -" in arguments


def test_error_line_of_the_program_is_reported(program):
    program(
        'echo "[0:1] INFO x"; echo "ERROR: *** no cameras available ***" >&2; exit 255'
    )
    capture = open_program()
    with pytest.raises(RequestError, match=r"\(ERROR: \*\*\* no cameras available"):
        capture.grab()
    capture.release()


def test_silent_end_of_the_program_is_reported(program):
    program("exit 1")
    capture = open_program()
    with pytest.raises(RequestError, match="its program has ended"):
        capture.grab()
    capture.release()


def test_program_with_much_stderr_does_not_block(program, frames_file):
    # A pipe holds 64 KiB.
    program("head -c 300000 /dev/zero >&2; cat frames; exec sleep 1000")
    capture = open_program()
    assert capture.grab()
    assert len(capture._stderr) <= 4096
    capture.release()


def test_program_that_hangs_is_interrupted_and_killed(program, monkeypatch):
    monkeypatch.setattr(csi, "_END_TIMEOUT_S", 0.1)
    program("trap '' TERM; echo; while :; do sleep 0.1; done")
    capture = open_program()
    assert capture._selector.select(60)  # The trap is set.
    capture.interrupt()
    assert not capture.grab()
    capture.release()
    assert capture._process.returncode == -9


def test_without_picamera2_and_program_csi_is_refused(program, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RequestError, match="needs picamera2 in this Python or the pro"):
        with open_source("csi"):
            pass


def test_file_named_csi_is_read_as_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "csi").write_bytes(np.zeros(9).tobytes())
    with pytest.raises(RequestError, match="csi: is neither an image nor a video"):
        with open_source("./csi"):
            pass
