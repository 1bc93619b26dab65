"""A detector over HTTP: boxes of an image, the state, metrics, and the live page."""

import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
from fixtures.tiny_detector import describe, make_detector, paint

from corallite.device.camera.frame import Frame, FrameStream
from corallite.device.engine.base import Box
from corallite.device.engine.open_model import ModelRequest, open_model
from corallite.device.loop.classify_frames import Result
from corallite.device.loop.count.areas import parse_line, parse_zone
from corallite.device.loop.count.counter import BoxCounter
from corallite.device.loop.smoothing import Smoother
from corallite.device.serve.live.camera import Camera, Snapshot
from corallite.device.serve.live.picture import Pictures

CELLS = (1, 2, "red"), (5, 6, "blue"), (7, 0, "blue")
# Half an input pixel, of which one has 5 pixels of the images here.
TOLERANCE_PX = 2.5


@pytest.fixture
def detector(tmp_path):
    path = tmp_path / "detector.tflite"
    path.write_bytes(make_detector())
    return path


@pytest.fixture
def photo():
    """A painted image of 320 x 320 pixels, uint8 RGB."""
    return paint(*CELLS, size_hw=(320, 320))


def encode(image, suffix=".png"):
    return cv2.imencode(suffix, image[..., ::-1])[1].tobytes()


def decode(jpeg):
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image is not None
    return image.astype(int)


def test_an_image_gets_its_boxes(make_client, detector, photo):
    client = make_client(engine=open_model(ModelRequest(str(detector))))
    found = client.post("/v1/classify", content=encode(photo)).json()
    assert (found["top"], found["label"], found["size"]) == ([], "red", [320, 320])
    labels = [box["label"] for box in found["boxes"]]
    assert labels == ["red", "blue", "blue"]
    corners = found["boxes"][0]["box"]
    assert corners == pytest.approx((60, 40, 140, 80), abs=TOLERANCE_PX)
    empty = client.post("/v1/classify", content=encode(photo * 0)).json()
    assert (empty["label"], empty["boxes"]) == ("unknown", [])
    assert client.get("/v1/model").json()["manifest"]["boxes"]["stride"] == 8


def test_a_model_with_both_has_both(make_client, tmp_path, photo):
    path = tmp_path / "both.tflite"
    manifest = describe(("a", "b", "c"), classes=("warm", "grass", "sky"))
    path.write_bytes(make_detector(manifest))
    client = make_client(engine=open_model(ModelRequest(str(path))))
    found = client.post("/v1/classify?top_k=1", content=encode(photo)).json()
    assert found["label"] == "sky" and len(found["top"]) == 1
    assert {box["label"] for box in found["boxes"]} == {"a", "c"}


def test_boxes_of_a_classifier_are_null(make_client, photo):
    found = make_client().post("/v1/classify", content=encode(photo)).json()
    assert found["boxes"] is None and found["size"] is None and found["top"]


def test_the_camera_has_boxes_counts_and_metrics(
    make_client, detector, photo, wait_until
):
    frames = FrameStream()
    frames.frames = iter([Frame(0, 0.0, photo, "x", 0.0)])
    counter = BoxCounter(["blue"], parse_zone("0,0 0.5,0 0.5,1 0,1"))
    camera = Camera(
        *("x", frames, open_model(ModelRequest(str(detector))), threading.Event(), 3),
        *(Smoother(), lambda result: None),
        counter=counter,
    )
    camera.start()
    client = make_client(camera=camera)
    wait_until(lambda: client.get("/v1/state").json()["result"])
    result = client.get("/v1/state").json()["result"]
    assert [box["label"] for box in result["boxes"]] == ["red", "blue", "blue"]
    assert result["counts"] == {"blue": {"inside": 1}}
    assert result["active"] == ["red", "blue"]
    lines = client.get("/metrics").text.splitlines()
    assert 'corallite_objects{label="blue"} 2.0' in lines
    assert 'corallite_counted{label="blue"} 1.0' in lines
    camera.join()


def test_a_new_model_without_a_counted_label_is_not_used(
    serve, camera_server, detector, photo, wait_until
):
    camera_server.part = encode(photo, ".jpg")
    flags = f"--model={detector}", "--count=blue"
    served = serve(f"--source={camera_server.url}", *flags)
    wait_until(lambda: served.state()["result"])
    new = detector.with_name("new")
    new.write_bytes(make_detector(describe(("red", "green", "azure"))))
    new.rename(detector)
    wait_until(lambda: served.state()["model"]["last_error"])
    state = served.state()
    assert state["model"]["last_error"] == (
        f"{detector}: the new model is not used (--count=blue: is not a label of this "
        "model's boxes, which are red, green, azure); the former one continues."
    )
    assert state["model"]["swaps"] == 0
    assert state["result"]["counts"] == {"blue": {"inside": 2}}


def make_snapshot(*boxes, size_hw=(100, 200)):
    image = np.full((*size_hw, 3), 128, np.uint8)
    result = Result(0, 0.0, "x", [], "", 0.0, size=size_hw[::-1], boxes=list(boxes))
    return Snapshot(image, result, 0.0)


def changed(jpeg, size_hw):
    """Returns which pixels are not grey, bool; the band at the bottom is left out."""
    image = decode(jpeg)
    assert image.shape[:2] == size_hw
    return np.abs(image - 128).max(-1)[: size_hw[0] * 3 // 4] > 40


@pytest.mark.parametrize("factor", [1, 10])
def test_boxes_are_drawn_where_they_are(factor):
    """Also in a frame of 2,000 pixels, which the picture halves."""
    box = Box("red", 0.9, *(factor * x for x in (60, 30, 120, 60)))
    snapshot = make_snapshot(box, size_hw=(100 * factor, 200 * factor))
    scale = 1 if factor == 1 else 9.6 / 2
    found = changed(
        Pictures().encode(snapshot), (round(100 * scale), round(200 * scale))
    )
    edge = found[:, round(120 * scale)]
    assert edge[round(31 * scale) : round(59 * scale)].all()
    assert not found[: round(8 * scale)].any()
    assert not found[round(40 * scale), round(70 * scale) : round(110 * scale)].any()


def test_each_label_keeps_its_colour():
    pictures, red, blue = Pictures(), ("red", 0.9), ("blue", 0.9)
    at_left, at_right = (10, 30, 50, 60), (110, 30, 150, 60)

    def colour_at_left(*boxes):
        jpeg = pictures.encode(make_snapshot(*(Box(*x, *y) for x, y in boxes)))
        return decode(jpeg)[45, 9:12].mean(0)

    first = colour_at_left((red, at_left), (blue, at_right))
    other = colour_at_left((blue, at_left), (red, at_right))
    # Colours of the palette differ by more than what JPEG changes.
    assert np.abs(first - other).max() > 60
    assert np.abs(colour_at_left((red, at_left)) - first).max() < 20


def test_zone_and_line_are_drawn():
    counter = BoxCounter(
        ["red"],
        parse_zone("0.5,0.1 0.9,0.1 0.9,0.6 0.5,0.6"),
        parse_line("0,0.3 0.3,0.3"),
    )
    found = changed(Pictures(counter).encode(make_snapshot()), (100, 200))
    assert found[30, 5:55].all() and found[20:50, 180].all()
    assert not found[25:45, 110:170].any()


@pytest.mark.slow
@pytest.mark.parametrize(("width_px", "is_dark"), [(390, False), (1280, True)])
def test_the_page_lists_objects_and_counts(
    browser, serve, camera_server, detector, photo, wait_until, width_px, is_dark
):
    camera_server.part = encode(photo, ".jpg")
    flags = "--count=blue", "--zone=0,0 1,0 1,1 0,1"
    served = serve(f"--source={camera_server.url}", f"--model={detector}", *flags)
    browser.open(f"{served.url}/", width_px=width_px, is_dark=is_dark)

    def rows(name):
        return browser.driver.find_element("id", name).text.split("\n")

    wait_until(lambda: rows("objects") == ["blue", "2", "red", "1"])
    assert rows("counted") == ["blue inside", "2"]
    assert not browser.driver.find_element("id", "labels").is_displayed()
    assert browser.page_width_px() <= width_px and browser.complaints() == []
    camera_server.part = encode(photo * 0, ".jpg")
    wait_until(lambda: rows("objects")[0] == "No objects")


@pytest.mark.parametrize("flag", ["--capture", "--keep_uncertain"])
def test_flags_for_photos_of_classes_are_refused(detector, flag):
    command = [sys.executable, "-m", "corallite.device.cli.serve_main"]
    flags = [f"--model={detector}", "--source=0", f"{flag}=photos", "--port=0"]
    done = subprocess.run([*command, *flags], capture_output=True, text=True)
    assert done.returncode == 2
    assert f"corallite: {flag}: keeps photos of classes, but" in done.stderr
