"""Snapshots over HTTP: one image per request."""

import time

import pytest

from corallite.device.camera.connection_state import State, Timeouts
from corallite.device.camera.http_capture import SnapshotCapture, open_http
from corallite.device.camera.open_source import open_source
from corallite.device.system.errors import RequestError
from corallite.device.system.url import parse_url


@pytest.fixture
def snapshot(camera_server, jpeg, monkeypatch):
    """A server of snapshots; `image` is the next one, `options` go to `once`."""

    def serve(handler):
        camera_server.once(handler, camera_server.image, **camera_server.options)

    camera_server.image, camera_server.options = jpeg(), {}
    monkeypatch.setattr(camera_server, "serve", serve)
    return camera_server


def test_snapshots_are_live_and_never_fail(snapshot, jpeg, wait_until):
    with open_source(snapshot.url, snapshot_fps=200) as stream:
        names = {next(stream).name for _ in range(20)}
        snapshot.image = jpeg((0, 0, 255), (24, 32))
        wait_until(lambda: next(stream).image_rgb_u8.shape == (24, 32, 3))
        assert stream.state is State.LIVE and stream.status.failures == 0
        # Opened once: each request would otherwise count as an opening.
        assert (stream.opened, names) == (1, {snapshot.url})
    assert len(snapshot.requests) >= 21


def test_requests_keep_to_the_rate(snapshot):
    start_s = time.monotonic()
    capture = open_http(parse_url(snapshot.url), snapshot_fps=20)
    for _ in range(5):
        assert capture.grab() and capture.retrieve().shape == (48, 64, 3)
    # At least four waits, however slow the machine is.
    assert time.monotonic() - start_s >= 4 / 20
    capture.release()


def test_slow_rate_never_makes_the_source_stale(snapshot, wait_until):
    timeouts = Timeouts(stale_after_s=0.5)
    with open_source(snapshot.url, timeouts=timeouts, snapshot_fps=0.01) as stream:
        next(stream)
        wait_until(lambda: len(snapshot.requests) >= 4)
        assert stream.opened == 1 and stream.state is not State.OPENING


@pytest.mark.parametrize(
    "options",
    [
        {"content_type": "application/octet-stream"},
        {"content_type": "text/plain"},
        {"content_type": "image/jpeg", "Connection": "close"},
    ],
)
def test_snapshot_is_known_by_its_type_or_its_bytes(snapshot, options):
    snapshot.options = options
    capture = open_http(parse_url(snapshot.url), 100)
    assert isinstance(capture, SnapshotCapture)
    assert capture.grab() and capture.grab() and capture.retrieve().any()
    capture.release()


def test_broken_snapshot_is_skipped(snapshot, jpeg, wait_until):
    with open_source(snapshot.url, snapshot_fps=200) as stream:
        next(stream)
        snapshot.image = jpeg()[:-20]
        wait_until(lambda: stream.skipped >= 2)
        snapshot.image = jpeg()
        next(stream)
        assert stream.opened == 1


@pytest.mark.parametrize(
    "image", [b"<html>", b"GIF89a\x08\0\x08\0", b"\0\0\0\x1cftypavif"]
)
def test_snapshot_of_another_format_is_skipped(snapshot, jpeg, image):
    capture = open_http(parse_url(snapshot.url), snapshot_fps=200)
    snapshot.image = image
    assert capture.grab() and capture.grab()
    with pytest.raises(RequestError, match="did not send a JPEG, PNG or WebP image"):
        capture.retrieve()
    snapshot.image = jpeg()
    assert capture.grab() and capture.retrieve().size
    capture.release()


def test_endless_snapshot_is_refused(snapshot, monkeypatch):
    monkeypatch.setattr("corallite.device.camera.http_capture._MOST_BYTES", 100)
    capture = open_http(parse_url(snapshot.url))
    with pytest.raises(RequestError, match="for an image; give the URL of a snapshot"):
        capture.grab()
    capture.release()


def test_interrupt_ends_the_wait_for_the_next_snapshot(snapshot):
    capture = open_http(parse_url(snapshot.url), snapshot_fps=1e-6)
    assert capture.grab()
    capture.interrupt()
    assert not capture.grab()
    capture.release()


def test_source_fails_while_its_server_is_away(snapshot, wait_until):
    with open_source(snapshot.url, snapshot_fps=200) as stream:
        next(stream)
        snapshot.kill()
        wait_until(lambda: stream.state is State.REOPENING)
        assert "cannot be reached" in stream.status.reason
        snapshot.start()
        assert next(stream).number > 0
