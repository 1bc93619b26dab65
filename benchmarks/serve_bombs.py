"""Measures the memory of `serve` with a hostile camera and hostile uploads.

python benchmarks/serve_bombs.py --model=model_int8.tflite

For each kind of image, a camera sends the largest one that is decoded, several clients
upload the largest that is accepted, all at the same time, and one client watches the
stream. The table has the peak memory of `serve`. Exit status 1 if a peak exceeds
--most_mb, or if an honest upload was not classified at the end.
"""

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

import image_bombs
import mjpeg_server
import numpy as np
import peak_memory
import serve_process
from absl import flags

from corallite.device.cli import program
from corallite.device.image.decoding_limits import plan_decoding
from corallite.device.image.opencv import cv2
from corallite.device.system.errors import RequestError

_MODEL = flags.DEFINE_string("model", None, "The .tflite file.", required=True)
_SECONDS = flags.DEFINE_float("seconds", 20, "Time for each kind.", lower_bound=0)
_CLIENTS = flags.DEFINE_integer("clients", 8, "Clients that upload.", lower_bound=0)
_MOST_MB = flags.DEFINE_integer("most_mb", 400, "Largest peak, in 10**6 bytes.")

# Below the limits of `serve` for an image of a camera and for an upload.
_FRAME_BYTES, _UPLOAD_BYTES = 16_500_000, 9_900_000
_FRAME_PIXELS, _UPLOAD_PIXELS = 60_000_000, 12_500_000
_KINDS: dict[str, Callable[[int, int], bytes]] = {
    "JPEG": image_bombs.jpeg,
    "progressive JPEG": image_bombs.progressive_jpeg,
    "PNG": image_bombs.png,
    "lossless WebP": image_bombs.lossless_webp,
}
_CHOSEN = flags.DEFINE_list("kinds", list(_KINDS), "Kinds to measure.")
# Others are sent one per request.
_STREAMED = ("JPEG", "progressive JPEG")


def main(argv: Sequence[str]) -> int:
    """Prints the table."""
    program.reject_arguments(argv)
    are_good = True
    print(
        f"{'kind':<17} {'camera MP':>9} {'upload MP':>9} {'uploads':>7} {'peak MB':>8}"
    )
    for name in _CHOSEN.value:
        make = _KINDS[name]
        frame = _make_largest(make, _FRAME_PIXELS, _FRAME_BYTES)
        upload = _make_largest(make, _UPLOAD_PIXELS, _UPLOAD_BYTES)
        peak_mb, statuses = _measure(name in _STREAMED, frame[1], upload[1])
        print(
            f"{name:<17} {frame[0]:>9.1f} {upload[0]:>9.1f} {len(statuses):>7} "
            f"{peak_mb:>8.0f}  {sorted(set(statuses))}",
            flush=True,
        )
        are_good &= peak_mb <= _MOST_MB.value and statuses[-1] == 200
    return program.EXIT_DONE if are_good else program.EXIT_CHECK_FAILED


def _make_largest(
    make: Callable[[int, int], bytes], pixels: int, size: int
) -> tuple[float, bytes]:
    """Returns the megapixels and the file of the largest image that is decoded."""
    for megapixels in np.arange(pixels / 1e6, 1, -1):
        side = int((megapixels * 1e6) ** 0.5)
        data = _pad(make(side, side), size)
        with contextlib.suppress(RequestError):
            plan_decoding(data, "")
            return side * side / 1e6, data
    raise RuntimeError("No size is decoded.")


def _pad(data: bytes, size: int) -> bytes:
    """Lengthens a JPEG to `size` by comments, which decoders skip."""
    if not data.startswith(b"\xff\xd8"):
        return data
    comment = b"\xff\xfe\xff\xff" + bytes(65533)
    return data[:2] + comment * ((size - len(data)) // len(comment)) + data[2:]


def _measure(is_streamed: bool, frame: bytes, upload: bytes) -> tuple[float, list[int]]:
    """Returns the peak in 10**6 bytes, and the status of each upload."""
    statuses: list[int] = []
    is_over = threading.Event()
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(
            mjpeg_server.serving([frame]) if is_streamed else _serving_snapshots(frame)
        )
        arguments = f"--model={_MODEL.value}", f"--source={url}"
        server = stack.enter_context(serve_process.serving(*arguments))
        memory = stack.enter_context(peak_memory.watching(server.pid))
        targets = [lambda: _upload(server.port, upload, statuses, is_over)]
        targets = targets * _CLIENTS.value + [lambda: _watch(server.port, is_over)]
        threads = [threading.Thread(target=target) for target in targets]
        for thread in threads:
            thread.start()
        time.sleep(_SECONDS.value)
        is_over.set()
        for thread in threads:
            thread.join()
        honest = cv2.imencode(".jpg", np.zeros((64, 64, 3), np.uint8))[1].tobytes()
        statuses.append(_post(server.port, honest))
        return memory.megabytes, statuses


def _upload(
    port: int, body: bytes, statuses: list[int], is_over: threading.Event
) -> None:
    while not is_over.is_set():
        statuses.append(_post(port, body))


def _post(port: int, body: bytes) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("POST", "/v1/classify", body)
        return connection.getresponse().status
    return 0


def _watch(port: int, is_over: threading.Event) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", "/v1/stream")
        response = connection.getresponse()
        while not is_over.is_set() and response.read1():
            pass


@contextlib.contextmanager
def _serving_snapshots(image: bytes) -> Iterator[str]:
    """Serves one image per request; yields the URL."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: %d\r\n\r\n"
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client, contextlib.suppress(OSError):
                        client.recv(4096)
                        client.sendall(head % len(image) + image)

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/image"
        listener.shutdown(socket.SHUT_RDWR)


if __name__ == "__main__":
    program.run(main)
