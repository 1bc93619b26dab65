"""A network camera in a process of its own, which sends as fast as it is read."""

import contextlib
import multiprocessing
import socket
from collections.abc import Iterator, Sequence

_HEAD = (
    b"HTTP/1.1 200 OK\r\n"
    b"Content-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n"
)


@contextlib.contextmanager
def serving(jpegs: Sequence[bytes]) -> Iterator[str]:
    """Serves images in turn, for ever, to one client after the other; yields the URL.

    Args:
        jpegs: Files' contents.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:
        camera = multiprocessing.get_context("fork").Process(
            target=_serve, args=(server, list(jpegs)), daemon=True
        )
        camera.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/stream.mjpg"
        finally:
            camera.kill()
            camera.join()


def _serve(server: socket.socket, jpegs: list[bytes]) -> None:
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
            while True:
                for part in parts:
                    client.sendall(part)
