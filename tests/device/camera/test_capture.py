"""Captures over OpenCV and HTTP, against real servers."""

import os

import cv2
import numpy as np
import pytest

from corallite.device.camera.capture import open_stream
from corallite.device.camera.http_capture import HttpCapture, open_http
from corallite.device.system.errors import RequestError
from corallite.device.system.url import parse_url


def test_interrupt_ends_a_wait(camera_server):
    camera_server.part = None
    capture = open_http(parse_url(camera_server.url))
    capture.interrupt()
    assert not capture.grab()
    capture.release()
    capture.interrupt()  # Harmless after the release.


def test_only_the_newest_of_images_that_arrive_together_is_kept(camera_server, jpeg):
    camera_server.part = jpeg((0, 0, 0)) * 9 + jpeg((255, 255, 255))
    capture = open_http(parse_url(camera_server.url))
    seen = 0
    while seen + capture.dropped < 100:
        assert capture.grab()
        seen += 1
    # Over loopback, the ten images arrive in one read.
    assert capture.dropped > seen
    capture.release()


def test_release_closes_all_descriptors(camera_server, wait_until):
    def count_descriptors():
        return len(os.listdir("/proc/self/fd"))

    before = count_descriptors()
    for _ in range(20):
        capture = open_http(parse_url(camera_server.url))
        assert capture.grab()
        capture.release()
    # The server's sockets, also in this process, close a little later.
    wait_until(lambda: count_descriptors() <= before)


def test_answer_that_is_not_http_is_reported(camera_server, monkeypatch):
    monkeypatch.setattr(
        camera_server, "serve", lambda handler: handler.wfile.write(b"?")
    )
    with pytest.raises(RequestError, match="cannot be reached"):
        open_http(parse_url(camera_server.url))


def test_video_file_at_a_url_is_read_by_ffmpeg(camera_server, tmp_path, monkeypatch):
    path = tmp_path / "clip.avi"
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, 10, (64, 48))
    for _ in range(10):
        writer.write(np.full((48, 64, 3), (255, 0, 0), np.uint8))
    writer.release()
    content = path.read_bytes()

    def serve(handler):
        handler.send_response(200)
        handler.send_header("Content-Type", "video/x-msvideo")
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    monkeypatch.setattr(camera_server, "serve", serve)
    capture = open_http(parse_url(camera_server.url))
    assert not isinstance(capture, HttpCapture) and capture.colour_order == "BGR"
    frames = []
    while capture.grab():
        frames.append(capture.retrieve())
    capture.release()
    assert len(frames) == 10 and frames[0][0, 0].argmax() == 0


def test_missing_stream_is_refused(camera_server):
    camera_server.kill()
    with pytest.raises(RequestError, match="no video received; check the address"):
        open_stream(parse_url(camera_server.url.replace("http", "rtsp")))


def test_password_of_a_failing_stream_is_shown_nowhere(camera_server, capfd):
    """Neither in the error nor in what FFmpeg and OpenCV write to stderr."""
    camera_server.kill()
    host = f"127.0.0.1:{camera_server.port}"
    secrets = [f"qzx7{c}kwj9" for c in ["", *" !\"$%&'()*+,;:<=>@[]^`{|}~", "%23%2F"]]
    for scheme in ("rtsp", "http"):
        for secret in secrets:
            url = parse_url(f"{scheme}://me:{secret}@{host}/x?token=qzx7")
            with pytest.raises(RequestError) as refused:
                open_stream(url)
            assert "qzx7" not in str(refused.value)
    output = "".join(capfd.readouterr())
    assert "qzx7" not in output and "kwj9" not in output
