"""A network camera in its own process."""

import contextlib
import itertools
import multiprocessing
import socket
import time
from collections.abc import Iterator, Sequence

_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
)


@contextlib.contextmanager
def serving(
    jpegs: Sequence[bytes], fps: float | None = None, port: int = 0
) -> Iterator[str]:
    """Serves images cyclically, to one client at a time; yields the URL.

    Args:
        jpegs: Contents of JPEG files.
        fps: Images per second; default, as fast as they are read.
        port: 0 chooses a free one.
    """
    with socket.create_server(("127.0.0.1", port)) as server:
        camera = multiprocessing.get_context("fork").Process(
            target=_serve, args=(server, list(jpegs), fps), daemon=True
        )
        camera.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/stream.mjpg"
        finally:
            camera.kill()
            camera.join()


def _serve(server: socket.socket, jpegs: list[bytes], fps: float | None) -> None:
    parts = [
        b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"
        % (len(jpeg), jpeg)
        for jpeg in jpegs
    ]
    while True:
        client, _ = server.accept()
        with client, contextlib.suppress(OSError):
            client.recv(4096)
            client.sendall(_HEAD)
            start_s = time.monotonic()
            for number, part in enumerate(itertools.cycle(parts)):
                if fps is not None:
                    due_s = start_s + number / fps
                    time.sleep(max(0.0, due_s - time.monotonic()))
                client.sendall(part)
