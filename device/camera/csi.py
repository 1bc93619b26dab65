"""CSI cameras, on the board's ribbon connector; V4L2 alone cannot drive them.

libcamera drives them, through picamera2 if this Python can import it, else through the
program `rpicam-vid`. Raspberry Pi OS has both, but picamera2 only in the system's
Python.
"""

import concurrent.futures
import importlib
import importlib.util
import os
import selectors
import shutil
import subprocess
from typing import Any

from corallite.device.camera.capture import Capture, JpegCapture
from corallite.device.image.preprocess import Image
from corallite.device.system import log
from corallite.device.system.errors import RequestError

# OpenCV's default for a USB camera, too.
_SIZE_WH = (640, 480)
# The second is its name before 2024.
_PROGRAMS = ("rpicam-vid", "libcamera-vid")
_FRAME_TIMEOUT_S = 10
_END_TIMEOUT_S = 1
_POLL_S = 0.2
# What picamera2 raises without a camera, or when libcamera refuses; it depends on the
# version.
_REFUSALS = (RuntimeError, IndexError, OSError, concurrent.futures.TimeoutError)
# What the import raises if its extensions were built for another NumPy: Raspberry Pi OS
# Bookworm has NumPy 1.24, and an environment on top of it may have 2.
_IMPORT_ERRORS = (ImportError, ValueError, AttributeError, RuntimeError)


def require_csi_support() -> None:
    """Raises `RequestError` if neither picamera2 nor `rpicam-vid` is installed."""
    if not has_picamera2() and _find_program() is None:
        raise RequestError(
            "A CSI camera needs picamera2 in this Python or the program rpicam-vid; "
            "run: sudo apt install rpicam-apps"
        )


def has_picamera2() -> bool:
    """Returns whether this Python finds picamera2 and libcamera."""
    return all(map(importlib.util.find_spec, ("picamera2", "libcamera")))


def open_csi(number: int) -> Capture:
    """Opens a CSI camera.

    Args:
        number: 0, or 1 for the second connector of a board that has two.

    Raises:
        RequestError: There is no such camera, it is in use, or neither picamera2 nor
            `rpicam-vid` works.
    """
    name = f"camera csi:{number}"
    program = _find_program()
    if has_picamera2() and (module := _import_picamera2(name, program)) is not None:
        return _open_picamera2(module, number, name)
    require_csi_support()
    return _start_program(str(program), number, name)


class Picamera2Capture(Capture):
    """A camera that picamera2 drives."""

    # picamera2 names formats by a little-endian word: its "BGR888" is R, G, B in
    # memory, and its "RGB888" is what OpenCV calls BGR.
    colour_order = "RGB"
    pixel_format = "BGR888"

    def __init__(self, camera: Any, name: str) -> None:
        """Takes ownership of a started `Picamera2`."""
        super().__init__(name)
        self._camera = camera
        self._image: Any = None

    def grab(self) -> bool:
        """See `Capture`."""
        try:
            self._image = self._camera.capture_array("main", wait=_FRAME_TIMEOUT_S)
        except _REFUSALS as error:
            raise _refused(self.name, error) from error
        return True

    def retrieve(self) -> Image:
        """See `Capture`."""
        return self._image

    def release(self) -> None:
        """See `Capture`."""
        try:
            self._camera.close()
        except _REFUSALS:
            return  # The camera was removed.


class ProgramCapture(JpegCapture):
    """A program that writes JPEG images to its stdout, and errors to its stderr."""

    def __init__(self, process: subprocess.Popen[bytes], name: str) -> None:
        """Takes ownership of a running process with pipes for stdout and stderr."""
        super().__init__(name)
        self._process = process
        self._pipes = [pipe for pipe in (process.stdout, process.stderr) if pipe]
        self._stderr = b""
        self._interrupted = False
        self._selector = selectors.DefaultSelector()
        for pipe in self._pipes:
            self._selector.register(pipe, selectors.EVENT_READ)

    def receive(self) -> bytes:
        """See `JpegCapture`."""
        # Reads both pipes: the program blocks when one of them is full.
        while self._selector.get_map() and not self._interrupted:
            for key, _ in self._selector.select(_POLL_S):
                data = os.read(key.fd, 1 << 16)
                if not data:
                    self._selector.unregister(key.fileobj)
                elif key.fileobj is self._process.stdout:
                    return data
                else:
                    self._stderr = (self._stderr + data)[-4096:]
        if self._interrupted:
            return b""
        lines = self._stderr.decode(errors="replace").split("\n")
        why = next((line.strip() for line in reversed(lines) if "ERROR" in line), "")
        raise _refused(self.name, RuntimeError(why or "its program has ended"))

    def interrupt(self) -> None:
        """See `Capture`."""
        # Closing the pipes would not help: a program that hangs keeps them open.
        self._interrupted = True

    def release(self) -> None:
        """See `Capture`."""
        self._process.terminate()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._selector.close()
        for pipe in self._pipes:
            pipe.close()


def _import_picamera2(name: str, program: str | None) -> Any:
    """Returns the module; None if its import fails and `program` can replace it."""
    try:
        return importlib.import_module("picamera2")
    except _IMPORT_ERRORS as error:
        problem = f"{name}: picamera2 cannot be loaded ({str(error).rstrip('.')})"
        if program is None:
            raise RequestError(
                f"{problem}; if the reason is numpy, run: pip install 'numpy<2', else: "
                "sudo apt install rpicam-apps"
            ) from error
        log.log_first_n(log.WARNING, "%s; using %s instead.", 1, problem, program)
        return None


def _open_picamera2(module: Any, number: int, name: str) -> Picamera2Capture:
    try:
        camera = module.Picamera2(number)
    except _REFUSALS as error:
        raise _refused(name, error) from error
    capture = Picamera2Capture(camera, name)
    main = {"size": _SIZE_WH, "format": capture.pixel_format}
    try:
        camera.configure(camera.create_video_configuration(main=main))
        camera.start()
    except _REFUSALS as error:
        capture.release()
        raise _refused(name, error) from error
    return capture


def _start_program(program: str, number: int, name: str) -> ProgramCapture:
    width, height = _SIZE_WH
    command = [program, "--camera", str(number), "--codec", "mjpeg", "--quality", "90"]
    command += ["--width", str(width), "--height", str(height), "--timeout", "0"]
    command += ["--nopreview", "--flush", "--verbose", "0", "--output", "-"]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        # Keeps Ctrl-C from the program; `release` ends it.
        start_new_session=True,
    )
    return ProgramCapture(process, name)


def _find_program() -> str | None:
    return next(filter(None, map(shutil.which, _PROGRAMS)), None)


def _refused(name: str, error: Exception) -> RequestError:
    why = str(error).strip() or type(error).__name__
    return RequestError(
        f"{name}: cannot be used ({why.rstrip('.')}); check its ribbon cable and "
        "that no other program uses it."
    )
