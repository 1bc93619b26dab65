"""Captures over OpenCV and HTTP, against real servers."""

import base64
import os

import cv2
import numpy as np
import pytest

from corallite.device.camera.capture import open_stream, without_secrets
from corallite.device.camera.http_capture import HttpCapture, open_http
from corallite.device.system.errors import RequestError


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://user:secret@cam:554/live?token=1", "rtsp://cam:554/live"),
        ("http://user@[::1]:80/a", "http://[::1]:80/a"),
        ("http://cam", "http://cam"),
    ],
)
def test_urls_are_shown_without_secrets(url, shown):
    assert without_secrets(url) == shown


def test_request_carries_the_password_and_the_whole_path(camera_server):
    url = camera_server.url.replace("//", "//me:p%40ss@") + "?size=1"
    capture = open_http(url)
    assert capture.grab() and capture.retrieve().shape == (48, 64, 3)
    capture.release()
    scheme, secret = camera_server.requests[0]["Authorization"].split()
    assert (scheme, base64.b64decode(secret)) == ("Basic", b"me:p@ss")
    assert capture.name == camera_server.url


def test_interrupt_ends_a_wait(camera_server):
    camera_server.part = None
    capture = open_http(camera_server.url)
    capture.interrupt()
    assert not capture.grab()
    capture.release()
    capture.interrupt()  # Harmless after the release.


def test_only_the_newest_of_images_that_arrive_together_is_kept(camera_server, jpeg):
    camera_server.part = jpeg((0, 0, 0)) * 9 + jpeg((255, 255, 255))
    capture = open_http(camera_server.url)
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
        capture = open_http(camera_server.url)
        assert capture.grab()
        capture.release()
    # The server's sockets, also in this process, close a little later.
    wait_until(lambda: count_descriptors() <= before)


def test_http_error_status_is_reported(camera_server):
    camera_server.status = 404
    with pytest.raises(RequestError, match="the server answers 404 Not Found; check"):
        open_http(camera_server.url)


def test_missing_password_is_reported_as_no_video(camera_server):
    camera_server.status = 401
    with pytest.raises(RequestError, match="no video received; check .* the password"):
        open_http(camera_server.url)


def test_answer_that_is_not_http_is_reported(camera_server, monkeypatch):
    monkeypatch.setattr(
        camera_server, "serve", lambda handler: handler.wfile.write(b"?")
    )
    with pytest.raises(RequestError, match="cannot be reached"):
        open_http(camera_server.url)


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
    capture = open_http(camera_server.url)
    assert not isinstance(capture, HttpCapture) and capture.colour_order == "BGR"
    frames = []
    while capture.grab():
        frames.append(capture.retrieve())
    capture.release()
    assert len(frames) == 10 and frames[0][0, 0].argmax() == 0


def test_missing_stream_is_refused(camera_server):
    camera_server.kill()
    with pytest.raises(RequestError, match="no video received; check the address"):
        open_stream(camera_server.url.replace("http", "rtsp"))
