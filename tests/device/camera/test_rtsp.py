"""A stream over RTSP, from a minimal server.

RTSP is RFC 2326; the images are JPEG over RTP (RFC 2435), in the same connection.
"""

import base64
import contextlib
import socket
import struct
import threading
import time

import pytest

from corallite.device.camera.connection_state import State, Timeouts
from corallite.device.camera.open_source import open_source

SDP = "v=0\r\ns=camera\r\nt=0 0\r\nm=video 0 RTP/AVP 26\r\na=control:track1\r\n"
ANSWERS = {
    "OPTIONS": ("Public: DESCRIBE, SETUP, PLAY\r\n", ""),
    "DESCRIBE": ("Content-Type: application/sdp\r\n", SDP),
    "SETUP": ("Transport: RTP/AVP/TCP;interleaved=0-1\r\nSession: 1\r\n", ""),
    "PLAY": ("Session: 1\r\n", ""),
}


def packets(jpeg, size_hw):
    """Yields RTP packets, each with the whole image of at most 64 KiB."""
    tables, position = b"", 2
    while (marker := jpeg[position + 1]) != 0xDA:
        length = int.from_bytes(jpeg[position + 2 : position + 4], "big")
        if marker == 0xDB:
            tables += jpeg[position + 5 : position + 2 + length]
        position += 2 + length
    length = int.from_bytes(jpeg[position + 2 : position + 4], "big")
    pixels = jpeg[position + 2 + length : -2]
    height, width = size_hw
    # 4:2:0, with the quantization tables in the packet, sides in blocks of 8 pixels.
    head = struct.pack("!IBBBB", 0, 1, 255, width // 8, height // 8)
    head += struct.pack("!BBH", 0, 0, len(tables)) + tables
    for number in range(1 << 16):
        rtp = struct.pack("!BBHII", 0x80, 0x80 | 26, number, number * 3000, 1)
        packet = rtp + head + pixels
        yield b"$\0" + struct.pack("!H", len(packet)) + packet


def serve(client, jpeg, logins=None):
    """Answers a client; notes its logins in a list, and wants one for its first."""
    requests = client.makefile("r", newline="\r\n")
    while line := requests.readline():
        method, lines = line.split()[0], [line]
        while lines[-1].strip():
            lines.append(requests.readline())
        login = [each.split()[-1] for each in lines if each.startswith("Authoriz")]
        number = next(each for each in lines if each.startswith("CSeq"))
        if logins is not None and method == "DESCRIBE":
            logins += login or [None]
            if not login:
                refusal = f'{number}WWW-Authenticate: Basic realm="cam"\r\n\r\n'
                client.sendall(f"RTSP/1.0 401 Unauthorized\r\n{refusal}".encode())
                continue
        head, body = ANSWERS.get(method, ("", ""))
        length = f"Content-Length: {len(body)}\r\n"
        answer = f"RTSP/1.0 200 OK\r\n{number}{head}{length}\r\n{body}"
        client.sendall(answer.encode())
        if method == "PLAY":
            for packet in packets(jpeg, (48, 64)):
                client.sendall(packet)
                time.sleep(0.01)


@pytest.fixture
def rtsp_server(jpeg, request):
    """A listening RTSP server and its connections."""
    clients = []

    def accept():
        with contextlib.suppress(OSError):
            while True:
                clients.append(server.accept()[0])
                threading.Thread(target=talk, args=clients[-1:]).start()

    def talk(client):
        with contextlib.suppress(OSError), client:
            serve(client, jpeg((0, 0, 255)), logins)

    logins = getattr(request, "param", None)
    server = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept).start()
    yield server, clients
    for open_socket in (server, *clients):
        with contextlib.suppress(OSError):
            open_socket.shutdown(socket.SHUT_RDWR)
    server.close()


def test_rtsp_is_live_and_reopened_after_a_loss(rtsp_server, wait_until):
    server, clients = rtsp_server
    url = f"rtsp://me:secret@127.0.0.1:{server.getsockname()[1]}/live"
    with open_source(url, timeouts=Timeouts(stale_after_s=1000)) as stream:
        frame = next(stream)
        assert frame.image_rgb_u8.shape == (48, 64, 3)
        assert frame.image_rgb_u8.reshape(-1, 3).mean(0).argmax() == 2
        assert frame.name == url.replace("me:secret@", "")
        clients[0].shutdown(socket.SHUT_RDWR)
        wait_until(lambda: stream.state is State.REOPENING)
        assert next(stream).number > 0


LOGINS: list[str | None] = []


@pytest.mark.parametrize("rtsp_server", [LOGINS], indirect=True)
def test_password_with_any_character_reaches_an_rtsp_camera(rtsp_server, capfd):
    server, _ = rtsp_server
    typed = "qzx7 !\"$%&'()*+,;<=>[]^`{|}~\\@é"
    password = f"{typed}:#?/kwj9"
    host = f"127.0.0.1:{server.getsockname()[1]}"
    url = f"rtsp://me:{typed}:%23%3F%2Fkwj9@{host}/live?token=qzx7"
    with open_source(url, timeouts=Timeouts(stale_after_s=1000)) as stream:
        assert next(stream).name == f"rtsp://{host}/live"
    found = [base64.b64decode(login).decode() for login in LOGINS if login]
    assert LOGINS[0] is None and found[0] == f"me:{password}"
    output = "".join(capfd.readouterr())
    assert "qzx7" not in output and "kwj9" not in output
