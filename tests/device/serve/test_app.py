"""What the HTTP routes return, and what they refuse."""

import struct
import tempfile
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from corallite.device.board.sensors import Board
from corallite.device.engine.classifier import Classifier
from corallite.device.image.header import read_header
from corallite.device.image.preprocess import read_image
from corallite.device.loop.rate_limit import RateLimitStatus
from corallite.device.serve.backend import service
from corallite.device.serve.guard.access import Access
from corallite.device.serve.guard.refusal import Limits
from corallite.device.system.errors import RequestError

GOLDEN = Path(__file__).parents[2] / "golden"
TYPES = {".jpg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
IMAGES = sorted(path for path in GOLDEN.iterdir() if path.suffix in TYPES)
TOKEN = "0123456789abcdef"
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)
JPEG = {"Content-Type": "image/jpeg"}
# A JPEG of 3,000 x 3,000 pixels with empty scans.
# An animated WebP without frames: few pixels, but each takes many bytes.
ANIMATION_BOMB = (
    b"RIFF\0\0\0\0WEBPVP8X\x0a\0\0\0\x02\0\0\0"
    + (3999).to_bytes(3, "little")
    + (2999).to_bytes(3, "little")
)
SCAN_BOMB = bytes.fromhex("ffd8 ffc2000b 08 0bb80bb8 01 011100") + 101 * bytes.fromhex(
    "ffda0008 01 0100 000000"
)
FIELD = b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
FORM_BOMB = FIELD % (b"x", b"") * 101 + b"--b--\r\n"
FORM = "multipart/form-data; boundary=b"


def post(client, data, kind="image/jpeg", **options):
    headers = {"Content-Type": kind}
    return client.post("/v1/classify", content=data, headers=headers, **options)


def bomb(width, height):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"")


@pytest.mark.parametrize("path", IMAGES, ids=lambda path: path.name)
def test_image_and_form_give_the_prediction_of_the_engine(path, make_client, model):
    expected = Classifier(model).classify(read_image(path))
    client = make_client()
    data = path.read_bytes()
    raw = post(client, data, TYPES[path.suffix]).json()
    form = client.post("/v1/classify", files={"image": ("x", data)}).json()
    for answer in (raw, form):
        found = {row["label"]: row["probability"] for row in answer["top"]}
        values = [found[label] for label in ("red", "green", "blue")]
        # The response has six decimals.
        np.testing.assert_allclose(values, expected, atol=5e-7)
        assert (answer["model"], answer["version"]) == ("tiny", "1")
        assert answer["latency_ms"] > 0


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "", None])
def test_image_without_its_type_is_known_by_its_bytes(make_client, jpeg, kind):
    """As `curl --data-binary @photo.jpg` sends it, or a client without a type."""
    headers = {} if kind is None else {"Content-Type": kind}
    client = make_client()
    sent = client.post("/v1/classify", content=jpeg(BLUE), headers=headers)
    assert sent.json()["top"][0]["label"] == "blue"
    refused = client.post("/v1/classify", content=b"a=1", headers=headers)
    shown = f"Content-Type is {kind or 'missing'}; send image/jpeg"
    assert refused.status_code == 415 and shown in refused.json()["error"]
    empty = client.post("/v1/classify", headers=headers)
    assert empty.status_code == 400 and "is empty" in empty.json()["error"]


def test_top_k_limits_the_labels(make_client, jpeg):
    client = make_client()
    assert len(post(client, jpeg(), params={"top_k": 1}).json()["top"]) == 1
    refused = post(client, jpeg(), params={"top_k": 0})
    assert refused.status_code == 422 and refused.json()["error"].startswith("top_k: ")


@pytest.mark.parametrize(
    ("data", "kind", "status", "sentence"),
    [
        (b"", "image/jpeg", 400, "is empty"),
        (b"hello", "image/png", 400, "is not an image"),
        (b"\xff\xd8\xff\xe0", "image/jpeg", 400, "damaged or cut short"),
        (b"x", "text/plain", 415, "Content-Type is text/plain; send image/jpeg"),
        (b"x", "multipart/form-data", 400, "Missing boundary"),
        (b"x", FORM, 400, "not valid multipart/form-data"),
        (b"--b\r\n", FORM, 400, "cut short"),
        (FIELD % (b"image", b"x"), FORM, 400, "cut short"),
        (FORM_BOMB, FORM, 400, "Maximum number of fields is 100"),
        (bomb(20_000, 20_000), "image/png", 413, "400.0 megapixels"),
        (SCAN_BOMB, "image/jpeg", 400, "more than 100 scans"),
        (ANIMATION_BOMB, "image/webp", 413, "4000x3000 pixels that takes 237 MB"),
    ],
)
def test_bad_body_is_refused_in_one_sentence(make_client, data, kind, status, sentence):
    answer = post(make_client(), data, kind)
    assert answer.status_code == status
    assert sentence in answer.json()["error"]


def test_malformed_forms_are_not_logged(make_client, caplog):
    assert post(make_client(), b"zz", FORM).status_code == 400
    assert not [line for line in caplog.records if "multipart" in line.name]


def test_image_headers_are_read_outside_the_event_loop(make_client, monkeypatch):
    read_by_loop = []

    def note_size(data):
        if not threading.current_thread().name.startswith("requests"):
            read_by_loop.append(len(data))
        return read_header(data)

    monkeypatch.setattr(service, "read_header", note_size)
    # Reading megabytes of such segments takes seconds.
    data = b"\xff\xd8\xff\xe0\0\2" + b"\xff\xe0\0\2" * 10_000
    assert post(make_client(), data).status_code == 400
    # It reads only the start, for the place in the queue.
    assert max(read_by_loop) <= 2**14


def test_truncated_image_is_refused(make_client):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    client = make_client()
    for suffix, kind in TYPES.items():
        data = cv2.imencode(suffix, noise)[1].tobytes()
        assert post(client, data, kind).status_code == 200
        answer = post(client, data[: len(data) // 2], kind)
        assert answer.status_code == 400 and "cut short" in answer.json()["error"]


def test_form_field_without_file_name_is_read_exactly(make_client, jpeg):
    body = FIELD % (b"image", jpeg(BLUE)) + b"--b--\r\n"
    for kind in (FORM, f"{FORM}; charset=utf-8"):
        assert post(make_client(), body, kind).json()["top"][0]["label"] == "blue"


def test_form_is_parsed_without_files(make_client, monkeypatch):
    def fail(self):
        raise AssertionError("a temporary file was written")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", fail)
    noise = np.random.default_rng(0).integers(0, 256, (900, 900, 3), np.uint8)
    data = cv2.imencode(".png", noise)[1].tobytes()
    assert len(data) > 2 * 2**20
    answer = make_client().post("/v1/classify", files={"image": ("x", data)})
    assert answer.status_code == 200


def test_form_without_the_field_is_refused(make_client, jpeg):
    answer = make_client().post("/v1/classify", files={"photo": ("x", jpeg())})
    assert answer.status_code == 422 and "no field 'image'" in answer.json()["error"]


def test_too_large_body_is_refused(make_client):
    client = make_client(Limits(body_bytes=5000))
    chunks = (bytes(1000) for _ in range(6))
    answer = client.post("/v1/classify", content=chunks, headers=JPEG)
    assert (
        answer.status_code == 413 and "larger than 0.005 MB" in answer.json()["error"]
    )
    announced = {**JPEG, "Content-Length": "9" * 30}
    answer = client.post("/v1/classify", content=b"", headers=announced)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/none", 404),
        (
            "GET",
            "/v1/model/",
            404,
        ),  # No redirect to the client's host.
        ("PUT", "/v1/model", 405),
        ("GET", "/stream.mjpg", 404),
    ],
)
def test_wrong_path_is_refused_in_one_sentence(make_client, method, path, status):
    answer = make_client().request(method, path, follow_redirects=False)
    assert answer.status_code == status and answer.json()["error"].endswith(".")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_token_is_required_and_a_cookie_replaces_it(make_client, jpeg):
    client = make_client(access=Access(TOKEN))
    for path in ("/", "/healthz", "/readyz", "/openapi.json", "/page/page.js"):
        assert client.get(path).status_code == 200
    for path in ("/v1/model", "/v1/state", "/metrics", "/stream.mjpg", "/none"):
        answer = client.get(path)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    wrong = {"Authorization": f"Bearer {TOKEN}x"}
    assert client.post("/v1/session", headers=wrong).status_code == 401
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/v1/model", headers=right).status_code == 200
    answer = client.post("/v1/session", headers=right)
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
    assert client.get("/v1/model").status_code == 200


def test_other_host_names_are_refused(make_client):
    client = make_client(access=Access(local_only=True))
    for host in ("127.0.0.1:8000", "localhost", "[::1]:8000", "LOCALHOST:1"):
        assert client.get("/v1/model", headers={"Host": host}).status_code == 200
    for host in ("evil.example", "127.0.0.1.evil.example:8000", "10.0.0.7"):
        assert client.get("/v1/model", headers={"Host": host}).status_code == 421


class Blocking(Classifier):
    """Classifies only after `go` is set."""

    def __init__(self, path):
        super().__init__(path)
        self.go = threading.Event()

    def run(self, pixels_u8):
        assert self.go.wait(60)
        return super().run(pixels_u8)


def test_full_queue_returns_503_and_keeps_its_requests(
    make_client, model, jpeg, wait_until
):
    engine = Blocking(model)
    client = make_client(Limits(running=2, waiting=3), engine=engine)
    colours = [RED, GREEN, BLUE, RED, GREEN]
    with ThreadPoolExecutor(5) as pool:
        futures = [pool.submit(post, client, jpeg(colour)) for colour in colours]
        wait_until(lambda: "requests_waiting 3.0" in client.get("/metrics").text)
        refused = post(client, jpeg())
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        engine.go.set()
        first = [future.result().json()["top"][0]["label"] for future in futures]
    assert first == ["red", "green", "blue", "red", "green"]
    assert "requests_waiting 0.0" in client.get("/metrics").text


class Failing(Classifier):
    def run(self, pixels_u8):
        raise RequestError("The accelerator is gone; plug it in.")


def test_engine_failure_is_503(make_client, model, jpeg):
    answer = post(make_client(engine=Failing(model)), jpeg())
    assert answer.status_code == 503 and "accelerator is gone" in answer.text


def test_metrics_count_routes_and_not_invented_paths(make_client, jpeg):
    client = make_client()
    post(client, jpeg())
    client.get("/invented")
    text = client.get("/metrics").text
    counted = 'corallite_requests_total{code="200",method="POST",path="/v1/classify"}'
    assert f"{counted} 1.0" in text
    assert "invented" not in text and 'path="other"' in text


def test_temperature_and_frame_rate_limit_are_reported(make_client):
    limit = RateLimitStatus(Board(temperature_c=78.5), 4.5, reason="78 degrees")
    client = make_client(rate_limit=lambda: limit)
    board = client.get("/v1/state").json()["board"]
    assert board["temperature_c"] == 78.5 and board["throttled"] is None
    assert board["limit_fps"] == 4.5
    assert board["limit_reason"] == "78 degrees"
    lines = client.get("/metrics").text.splitlines()
    assert "corallite_temperature_celsius 78.5" in lines
    assert "corallite_frame_limit_fps 4.5" in lines


def test_without_limit_the_frame_rate_is_infinite(make_client):
    client = make_client(rate_limit=RateLimitStatus)
    assert client.get("/v1/state").json()["board"]["limit_fps"] is None
    assert "corallite_frame_limit_fps +Inf" in client.get("/metrics").text
