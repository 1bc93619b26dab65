"""Decodes AVIF and JPEG 2000 in a process of limited memory.

Their headers do not bound the memory: an AVIF holds sizes in several places, and 256
bytes of JPEG 2000 may claim millions of tiles.
"""

import os
import sys
from typing import Any

import numpy as np

from corallite.device.image.opencv import cv2
from corallite.device.system.errors import RequestError

# In addition to what the process takes before; enough for 6 megapixels.
_MOST_BYTES = 128 * 10**6
_TIMEOUT_S = 30.0
_CODE = "from corallite.device.image import limited_decoder as x; x.decode_stdin()"
_JPEG_2000 = (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")
_AVIF_BRANDS = (b"avif", b"avis")
_SIZE = np.dtype("<u4")
# OpenBLAS would reserve memory for every core.
_ENVIRONMENT = {"OPENBLAS_NUM_THREADS": "1"}
_END_LIMIT_S = 1.0


def needs_limited_process(data: bytes) -> bool:
    """Returns whether `data` starts like an AVIF or JPEG 2000 file."""
    if data.startswith(_JPEG_2000):
        return True
    brands = data[8 : int.from_bytes(data[:4], "big")][:256]
    return data[4:8] == b"ftyp" and any(brand in brands for brand in _AVIF_BRANDS)


def decode_limited(data: bytes, name: str) -> np.ndarray[Any, np.dtype[Any]]:
    """Decodes an image file in a process that takes at most 128 MB for it.

    Starting the process takes a third of a second on a PC.

    Args:
        data: A whole AVIF or JPEG 2000 file.
        name: Shown in errors.

    Returns:
        uint8 RGB [height, width, 3].

    Raises:
        RequestError: The process ended without an image.
    """
    # Imported only for such a file: they take 6 ms of every start.
    import subprocess

    from corallite.device.system.process.isolated import PRELUDE
    from corallite.device.system.process.limited_process import end_group

    process = subprocess.Popen(
        [sys.executable, "-c", PRELUDE + _CODE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **_ENVIRONMENT},
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(data, timeout=_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        output = b""
    finally:
        end_group(process, _END_LIMIT_S)
    size_bytes = 2 * _SIZE.itemsize
    if process.returncode or len(output) <= size_bytes:
        raise RequestError(
            f"{name}: is damaged, or takes more than {_MOST_BYTES / 1e6:.0f} MB or "
            f"{_TIMEOUT_S:.0f} seconds to decode; shrink it, or convert it to JPEG."
        )
    height, width = np.frombuffer(output, _SIZE, 2)
    # A copy, since NumPy does not write to bytes.
    pixels = np.frombuffer(output, np.uint8, offset=size_bytes).copy()
    return pixels.reshape(height, width, 3)


def decode_stdin() -> None:
    """Decodes the file on stdin, and writes its size and its pixels to stdout."""
    from corallite.device.system import memory

    cv2.setNumThreads(1)
    data = np.frombuffer(sys.stdin.buffer.read(), np.uint8)
    memory.limit_growth(_MOST_BYTES)
    image = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    if image is None:
        sys.exit(1)
    sys.stdout.buffer.write(np.array(image.shape[:2], _SIZE).tobytes())
    sys.stdout.buffer.write(np.ascontiguousarray(image).data)
