"""Every kind of source: its frames, its errors, and its release."""

import errno
import io
import os
import sys
import threading
from pathlib import Path

import cv2
import numpy as np
import pytest

from corallite.device.camera.connection_state import State, Timeouts
from corallite.device.camera.live import LiveStream
from corallite.device.camera.open_source import name_source, open_source
from corallite.device.image.orientation import Orientation
from corallite.device.image.preprocess import read_image
from corallite.device.system.errors import RequestError

# A camera that fails is given up; by default it would be reopened.
ONE_ATTEMPT = Timeouts(give_up_after_s=0)


def write_image(path, colour_rgb=(255, 0, 0)):
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.full((6, 8, 3), colour_rgb, np.uint8)[..., ::-1]
    path.write_bytes(cv2.imencode(path.suffix, image)[1].tobytes())


@pytest.fixture
def video(tmp_path):
    """12 red frames of 64x48 at 10 a second, each brighter than the last."""
    path = tmp_path / "clip.avi"
    codec = cv2.VideoWriter.fourcc(*"MJPG")
    writer = cv2.VideoWriter(str(path), codec, 10, (64, 48))
    for number in range(12):
        writer.write(np.full((48, 64, 3), (0, 0, 20 * number), np.uint8))
    writer.release()
    return path


class FakeCapture:
    """Returns `frames` frames, whatever number it announces."""

    def __init__(self, frames, opened=True, announced=-1.0):
        self.announced = announced
        self.left, self.opened, self.released = frames, opened, False

    def isOpened(self):  # noqa: N802 - OpenCV's name.
        return self.opened

    def set(self, prop, value):
        return True

    def get(self, prop):
        return self.announced if prop == cv2.CAP_PROP_FRAME_COUNT else 0.0

    def grab(self):
        self.left -= 1
        return self.left >= 0

    def retrieve(self):
        return True, np.full((4, 4, 3), (255, 0, 0), np.uint8)

    def read(self):
        return self.retrieve() if self.grab() else (False, None)

    def release(self):
        self.released = True


@pytest.fixture
def camera(monkeypatch):
    def camera(frames, **options):
        capture = FakeCapture(frames, **options)
        monkeypatch.setattr(cv2, "VideoCapture", lambda *arguments: capture)
        return capture

    return camera


def test_folder_gives_its_images_in_the_order_of_their_names(tmp_path):
    for name in ("b.png", "a/2.jpg", "a/1.PNG", "c.webp", ".hidden.png", ".git/x.png"):
        write_image(tmp_path / name)
    (tmp_path / "notes.txt").write_text("not an image")
    with open_source(str(tmp_path)) as stream:
        frames = list(stream)
    assert [frame.name for frame in frames] == ["a/1.PNG", "a/2.jpg", "b.png", "c.webp"]
    assert [frame.number for frame in frames] == [0, 1, 2, 3]
    times = [frame.time_s for frame in frames]
    assert times == sorted(times) and times[0] >= 0
    assert stream.skipped == 0


def test_unreadable_images_in_a_folder_are_skipped_and_counted(tmp_path):
    write_image(tmp_path / "good one ü.png", (0, 0, 255))
    (tmp_path / "cut.png").write_bytes((tmp_path / "good one ü.png").read_bytes()[:40])
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "dangling.png").symlink_to(tmp_path / "gone.png")
    with open_source(str(tmp_path)) as stream:
        frames = list(stream)
    assert [frame.name for frame in frames] == ["good one ü.png"]
    assert (frames[0].image_rgb_u8 == (0, 0, 255)).all()
    assert stream.skipped == 3


def test_pipes_and_devices_in_a_folder_are_skipped(tmp_path):
    write_image(tmp_path / "good.png")
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "endless.jpg").symlink_to("/dev/zero")
    with open_source(str(tmp_path)) as stream:
        assert [frame.name for frame in stream] == ["good.png"]
    assert stream.skipped == 2


def test_unreadable_subfolder_is_skipped_and_counted(tmp_path, monkeypatch, caplog):
    write_image(tmp_path / "a/1.png")
    write_image(tmp_path / "b/2.png")
    write_image(tmp_path / "c/3.png")
    list_folder = Path.iterdir

    def refuse_b(path):
        if path.name == "b":  # Root may read every folder.
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return list_folder(path)

    monkeypatch.setattr(Path, "iterdir", refuse_b)
    with open_source(str(tmp_path)) as stream:
        assert [frame.name for frame in stream] == ["a/1.png", "c/3.png"]
    assert stream.skipped == 1
    assert "b: cannot be read (Permission denied)" in caplog.text


def test_links_are_followed_but_not_in_circles(tmp_path):
    write_image(tmp_path / "elsewhere/1.png")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "linked").symlink_to(tmp_path / "elsewhere")
    (folder / "loop").symlink_to(folder)
    with open_source(str(folder)) as stream:
        assert [frame.name for frame in stream] == ["linked/1.png"]


def test_folder_without_a_readable_image_is_refused(tmp_path):
    with open_source(str(tmp_path)) as stream:
        with pytest.raises(RequestError, match="no readable image .0 skipped"):
            next(stream)
    (tmp_path / "x.png").touch()
    with open_source(str(tmp_path)) as stream:
        with pytest.raises(RequestError, match="1 skipped"):
            next(stream)


def test_frames_of_a_folder_are_prepared_while_others_wait(tmp_path, wait_until):
    for number in range(5):
        write_image(tmp_path / f"{number}.png")
    prepared = []

    def prepare(frame):
        prepared.append(frame.number)
        return frame._replace(name=f"prepared {frame.number}")

    with open_source(str(tmp_path)) as stream:
        # Two may have been read before. The second still waits at the third.
        stream.prepare = prepare
        next(stream)
        wait_until(lambda: 2 in prepared)
        names = [frame.name for frame in stream]
    assert names[1] == "prepared 2" and len(names) == 4


def test_image_is_a_single_frame(tmp_path):
    write_image(tmp_path / "one.png", (0, 255, 0))
    with open_source(str(tmp_path / "one.png")) as stream:
        (frame,) = stream
    assert (frame.number, frame.time_s, frame.name) == (0, 0.0, "one.png")
    assert (frame.image_rgb_u8 == (0, 255, 0)).all()


def test_video_gives_every_frame_in_rgb_at_its_time(video):
    with open_source(str(video)) as stream:
        frames = list(stream)
    assert [frame.number for frame in frames] == list(range(12))
    assert np.allclose([frame.time_s for frame in frames], np.arange(12) / 10)
    assert {frame.name for frame in frames} == {"clip.avi"}
    for number, frame in enumerate(frames):
        # The conversion to YUV and back is off by a few levels.
        error = frame.image_rgb_u8.astype(int) - (20 * number, 0, 0)
        assert np.abs(error).max() <= 6


def test_frame_of_a_video_equals_the_same_frame_as_an_image(video, tmp_path):
    with open_source(str(video)) as stream:
        frame = next(stream)
    path = tmp_path / "frame.png"
    path.write_bytes(cv2.imencode(".png", frame.image_rgb_u8[..., ::-1])[1].tobytes())
    assert (read_image(path) == frame.image_rgb_u8).all()


def test_number_is_a_camera_and_it_is_released(camera):
    capture = camera(frames=1)
    with open_source("0", timeouts=ONE_ATTEMPT) as stream:
        frame = next(stream)
        assert (frame.name, frame.number) == ("camera 0", 0)
        assert (frame.image_rgb_u8 == (0, 0, 255)).all()
    assert capture.released


def test_camera_is_released_when_the_block_fails(camera):
    capture = camera(frames=10**9)
    with pytest.raises(KeyboardInterrupt), open_source("0") as stream:
        next(stream)
        raise KeyboardInterrupt
    assert capture.released


def test_camera_that_stops_is_named_in_the_error(camera):
    camera(frames=2)
    with open_source("1", timeouts=ONE_ATTEMPT) as stream:
        with pytest.raises(RequestError, match="camera 1: no more frames; check"):
            list(stream)


def test_camera_that_cannot_be_opened_is_named_and_released(camera):
    capture = camera(frames=0, opened=False)
    with open_source("7", timeouts=ONE_ATTEMPT) as stream:
        with pytest.raises(RequestError, match="camera 7: cannot be opened; check"):
            next(stream)
    assert capture.released


def test_number_of_a_missing_camera_is_named():
    with open_source("187", timeouts=ONE_ATTEMPT) as stream:
        with pytest.raises(RequestError, match="camera 187: cannot be opened; check"):
            next(stream)


def test_path_of_a_device_is_a_camera(camera, tmp_path, monkeypatch):
    camera(frames=1)
    link = tmp_path / "by-id"
    # A character device, with the major number of cameras.
    link.symlink_to(os.devnull)
    monkeypatch.setattr(os, "major", lambda device: 81)
    with open_source(str(link), timeouts=ONE_ATTEMPT) as stream:
        assert next(stream).name == str(link)


def test_device_that_is_missing_at_the_start_is_waited_for(camera, wait_until):
    capture = camera(frames=10**9, opened=False)
    for source in ("/dev/video199", "/dev/v4l/by-id/usb-no_such-index0"):
        capture.opened = False
        with open_source(source) as stream:
            wait_until(lambda stream=stream: stream.state is State.REOPENING)
            assert f"{source}: cannot be opened; check" in stream.status.reason
            capture.opened = True
            assert next(stream).name == source


def test_every_name_of_a_missing_device_is_live(camera, tmp_path, monkeypatch):
    camera(frames=0, opened=False)
    link = tmp_path / "door"
    link.symlink_to("/dev/v4l/by-id/usb-no_such-index0")
    monkeypatch.chdir("/dev")
    for source in (str(link), "video199", "/dev/../dev//video199"):
        with open_source(source, timeouts=ONE_ATTEMPT) as stream:
            with pytest.raises(RequestError, match="Given up: .* cannot be opened"):
                next(stream)


@pytest.mark.parametrize("path", ["/dev/shm/gone.mp4", "/dev/fd/999", "/devices/x"])
def test_missing_file_is_no_missing_device(path):
    with pytest.raises(RequestError, match=f"{path}: no such file or folder"):
        with open_source(path):
            pass


def test_file_that_appears_in_place_of_a_camera_is_named(camera, tmp_path, wait_until):
    camera(frames=1)
    link, target = tmp_path / "door", Path("/dev/video199")
    link.symlink_to(target)
    with open_source(str(link)) as stream:
        wait_until(lambda: stream.state is State.LIVE or stream.status.failures)
        link.unlink()
        link.write_text("not a camera")
        wait_until(lambda: "is not a camera but another" in stream.status.reason)


@pytest.mark.parametrize("name", ["0", "csi", "csi:1"])
def test_name_of_a_camera_is_a_camera_even_if_a_folder_has_it(
    camera, tmp_path, monkeypatch, caplog, name
):
    camera(frames=1)
    program = tmp_path / "rpicam-vid"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    write_image(tmp_path / name / "a.png")
    monkeypatch.chdir(tmp_path)
    with open_source(name, timeouts=ONE_ATTEMPT) as stream:
        assert isinstance(stream, LiveStream)
    assert f"{name}: is a camera; for the file or folder, write ./{name}" in caplog.text
    with open_source(f"./{name}") as stream:
        assert next(stream).name == "a.png"


def test_folder_with_the_number_of_a_year_is_a_folder(tmp_path, monkeypatch):
    """Linux has no camera with such a number."""
    write_image(tmp_path / "2024/a.png")
    write_image(tmp_path / "256/b.png")
    monkeypatch.chdir(tmp_path)
    for name, image in (("2024", "a.png"), ("256", "b.png")):
        with open_source(name) as stream:
            assert next(stream).name == image


# One colour per corner, clockwise from the top left. In the file, 24 x 16 pixels.
CORNERS = "RGBW"
COLOURS = {"R": (255, 0, 0), "G": (0, 255, 0), "B": (0, 0, 255), "W": (255,) * 3}


def draw_corners():
    image = np.zeros((16, 24, 3), np.uint8)
    image[:8, :12], image[:8, 12:] = COLOURS["R"], COLOURS["G"]
    image[8:, 12:], image[8:, :12] = COLOURS["B"], COLOURS["W"]
    return image


def name_corners(image):
    """Returns the colours of the corners, clockwise from the top left."""
    corners = image[1, 1], image[1, -2], image[-2, -2], image[-2, 1]
    return "".join(
        min(COLOURS, key=lambda name: np.abs(corner - np.array(COLOURS[name])).sum())
        for corner in corners
    )


@pytest.fixture
def corner_sources(tmp_path, camera_server, monkeypatch):
    """The same image as a file, a folder, a video, and a live stream."""
    image = draw_corners()
    jpeg = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 100])[1]
    photo = tmp_path / "photos" / "corners.jpg"
    photo.parent.mkdir()
    photo.write_bytes(jpeg.tobytes())
    video = tmp_path / "corners.avi"
    writer = cv2.VideoWriter(str(video), cv2.VideoWriter.fourcc(*"MJPG"), 10, (24, 16))
    for _ in range(3):
        writer.write(image[..., ::-1])
    writer.release()
    camera_server.part = jpeg.tobytes()
    return [str(photo), str(photo.parent), str(video), camera_server.url]


@pytest.mark.parametrize(
    ("rotate", "mirror", "expected"),
    [
        (0, False, "RGBW"),
        (90, False, "WRGB"),
        (180, False, "BWRG"),
        (270, False, "GBWR"),
        (0, True, "GRWB"),
        (90, True, "RWBG"),  # Rotated, then mirrored.
    ],
)
def test_frames_of_every_source_are_rotated_then_mirrored(
    corner_sources, rotate, mirror, expected
):
    for source in corner_sources:
        with open_source(source, orientation=Orientation(rotate, mirror)) as stream:
            image = next(stream).image_rgb_u8
        assert name_corners(image) == expected, source
        assert image.shape == ((24, 16, 3) if rotate in (90, 270) else (16, 24, 3))


def test_usb_camera_is_rotated(camera, monkeypatch):
    capture = camera(frames=1)
    corners_bgr = np.ascontiguousarray(draw_corners()[..., ::-1])
    monkeypatch.setattr(capture, "retrieve", lambda: (True, corners_bgr))
    turned = Orientation(180)
    with open_source("0", timeouts=ONE_ATTEMPT, orientation=turned) as stream:
        assert name_corners(next(stream).image_rgb_u8) == "BWRG"


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("", "--source is empty; give a camera"),
        *(("9" * 20, "9: no such file or"), ("256", "256: no such file or folder")),
    ],
)
def test_empty_or_unknown_name_is_refused(source, sentence):
    with pytest.raises(RequestError, match=sentence):
        with open_source(source):
            pass


def test_pipe_is_refused_without_waiting_for_a_writer(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequestError, match="is a pipe or a.*--source=- < /"):
        with open_source(str(tmp_path / "pipe")):
            pass


def test_missing_path_is_refused():
    with pytest.raises(RequestError, match="/no/where.mp4: no such file or folder"):
        with open_source("/no/where.mp4"):
            pass


def test_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "notes.txt"
    path.write_text("milk\n" * 100)
    with pytest.raises(
        RequestError, match="notes.txt: is neither an image nor a video"
    ):
        with open_source(str(path)):
            pass


def test_an_archive_is_refused_with_what_unpacks_it(tmp_path):
    path = tmp_path / "photos.zip"
    path.write_bytes(b"PK\x03\x04" + bytes(99))
    with pytest.raises(RequestError, match=r"photos.zip: is a file; .*\(unzip "):
        with open_source(str(path)):
            pass


def test_a_folder_of_jfif_files_has_images(tmp_path):
    data = cv2.imencode(".jpg", np.zeros((8, 8, 3), np.uint8))[1].tobytes()
    (tmp_path / "photo.jfif").write_bytes(data)
    for source in (tmp_path, tmp_path / "photo.jfif"):
        with open_source(str(source)) as frames:
            assert [frame.name for frame in frames] == ["photo.jfif"]


def test_video_without_frames_is_refused(video, camera):
    camera(frames=0)
    with open_source(str(video)) as stream:
        with pytest.raises(RequestError, match="clip.avi: has no frames"):
            next(stream)


def test_truncated_video_is_logged(video, camera, caplog):
    camera(frames=5, announced=12.0)
    with open_source(str(video)) as stream:
        assert len(list(stream)) == 5
    assert "ended after 5 of 12 frames" in caplog.text


@pytest.fixture
def stdin(monkeypatch):
    """A function that writes bytes to stdin and closes it; default, an idle pipe."""
    ends = []

    def stdin(content=None):
        read_end, write_end = os.pipe()
        ends.append(read_end)
        if content is None:
            ends.append(write_end)
        else:

            def write():
                with open(write_end, "wb") as file:
                    file.write(content)

            threading.Thread(target=write).start()
        monkeypatch.setattr(sys, "stdin", open(read_end, "rb", closefd=False))

    yield stdin
    for end in ends:
        os.close(end)


def test_stdin_gives_every_image_in_order(stdin, jpeg):
    levels = range(0, 250, 10)
    stdin(b"".join(jpeg((level,) * 3) for level in levels))
    with open_source("-") as stream:
        frames = list(stream)
    assert [frame.number for frame in frames] == list(range(25))
    assert {frame.name for frame in frames} == {"stdin"}
    seen = [int(frame.image_rgb_u8.mean()) for frame in frames]
    assert np.allclose(seen, levels, atol=1)  # JPEG rounds.
    assert (stream.skipped, stream.dropped) == (0, 0)


def test_damaged_images_on_stdin_are_skipped(stdin, jpeg, caplog):
    good, large = jpeg(), jpeg((0, 0, 9), (100, 100))
    damaged = bytearray(good)
    damaged[20:200] = bytes(180)
    stdin(b"text" + good + bytes(damaged) + good + large[:-20] + good + large[:-20])
    with open_source("-") as stream:
        assert [frame.number for frame in stream] == [0, 1, 2]
    assert stream.skipped == 3
    assert "stdin: is damaged" in caplog.text
    assert "stdin: the last image is truncated" in caplog.text


@pytest.mark.parametrize("content", [b"", b"no image"])
def test_stdin_without_images_is_refused(stdin, content):
    stdin(content)
    with open_source("-") as stream:
        with pytest.raises(RequestError, match="stdin: has no readable image"):
            next(stream)


def test_stop_ends_a_wait_for_stdin(stdin):
    stdin()
    stop = threading.Event()
    threading.Timer(0.05, stop.set).start()
    with open_source("-", stop) as stream:
        assert list(stream) == []


def test_terminal_as_stdin_is_refused(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for stdin in (Terminal(), None):
        monkeypatch.setattr(sys, "stdin", stdin)
        with (
            open_source("-") as stream,
            pytest.raises(RequestError, match="is not a pipe"),
        ):
            next(stream)


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("ftp://host/x", "ftp://...: is not a valid URL; write one of http, https, rt"),
        ("http:///x", "http://...: has no valid host"),
        ("http://me:secret@host:port/x", "http://...: has no valid host and port; wr"),
        ("http://[::1/x", "http://...: has no valid host and port"),
        ("rtsp://me:p#secret@host/x", 'has "#" before its last "@"; in the user'),
        ("rtsp:/me:secret@host", "The URL (not shown, it may hold a password): is not"),
        ("me:secret@host/x", "The URL (not shown, it may hold a password): is not a"),
        ("host/x?token=secret", "The URL (not shown, it may hold a password): is not"),
    ],
)
def test_invalid_url_is_refused_at_once_without_its_secret(url, sentence):
    with pytest.raises(RequestError) as refused, open_source(url):
        pass
    assert sentence in str(refused.value) and "secret" not in str(refused.value)
    assert "secret" not in name_source(url)


def test_file_whose_name_looks_like_a_url_is_read(tmp_path, monkeypatch):
    name = "me:1@home.png"
    write_image(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    with open_source(name) as stream:
        assert next(stream).name == name
    assert name_source(name) == name


def test_other_device_is_refused_at_once():
    with pytest.raises(RequestError, match="/dev/null: is not a camera but an"):
        with open_source("/dev/null"):
            pass
