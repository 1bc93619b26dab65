"""The routes of the page /capture: what they return, and what they refuse."""

import os

import pytest

from corallite.device.image.preprocess import decode_image
from corallite.device.serve.guard.access import Access

TOKEN = "0123456789abcdef"
KEY = "0123abcd"
# Each route that changes something, with a body that it accepts.
WRITING = {
    "/classes": {"label": "new"},
    "/classes/delete": {"label": "pen"},
    "/photos/move": {"label": "cup", "photo": "1.jpg", "to": "pen"},
    "/photos/delete": {"label": "cup", "photo": "1.jpg"},
    "/record": {"label": "cup", "key": KEY},
    "/release": {"key": KEY},
    "/teach": {},
    "/former": {},
}


@pytest.fixture
def client(make_client, capture, jpeg):
    """A client; "cup" has a photo."""
    capture.album.find("cup").add("1.jpg", jpeg((200, 30, 10), (300, 400)))
    return make_client(capture=capture)


@pytest.fixture
def post(client):
    """A function that posts JSON: post(path, body); returns the response."""
    return lambda path, body, **options: client.post(
        f"/v1/capture{path}", json=body, **options
    )


def everything_in(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def test_state_has_the_classes_and_their_newest_photos(client, capture, jpeg):
    for number in range(9):
        capture.uncertain.add(f"20261130-031502-a1b2_000{number}.jpg", jpeg())
    state = client.get("/v1/capture").json()
    assert state["classes"] == [
        {"label": "cup", "count": 1, "photos": ["1.jpg"]},
        {"label": "pen", "count": 0, "photos": []},
    ]
    assert state["uncertain"]["count"] == 9
    assert state["uncertain"]["photos"][0] == "20261130-031502-a1b2_0008.jpg"
    assert len(state["uncertain"]["photos"]) == 7
    assert state["teach"]["state"] == "idle" and not state["has_former"]
    more = client.get("/v1/capture/photos", params={"start": 7, "count": 200}).json()
    assert more["count"] == 9 and len(more["photos"]) == 2


def test_photo_is_made_smaller(client):
    params = {"label": "cup", "photo": "1.jpg"}
    for large, shape in ((False, (144, 192, 3)), (True, (300, 400, 3))):
        answer = client.get("/v1/capture/photo", params={**params, "large": large})
        assert answer.headers["content-type"] == "image/jpeg"
        assert decode_image(answer.content, "x").shape == shape


@pytest.mark.parametrize(
    "params",
    [
        {"label": "cup", "photo": "../../mine.tflite"},
        {"label": "..", "photo": "1.jpg"},
        {"label": "../photos/cup", "photo": "1.jpg"},
        {"label": "", "photo": "1.jpg"},
        {"label": "cup", "photo": "/etc/passwd"},
        {"photo": "1.jpg"},
    ],
)
def test_no_name_leads_out_of_the_folder(client, post, tmp_path, params):
    (tmp_path / "mine.tflite").write_bytes(b"model")
    before = everything_in(tmp_path)
    read = client.get("/v1/capture/photo", params=params)
    assert read.status_code == 409 and "not there any more" in read.json()["error"]
    body = {"label": None, **params}
    for path, more in (("/photos/delete", {}), ("/photos/move", {"to": "pen"})):
        assert post(path, {**body, **more}).status_code == 409
    move = {"label": "cup", "photo": "1.jpg", "to": params.get("label") or "../x"}
    if move["to"] != "cup":
        assert post("/photos/move", move).status_code == 409
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("name", ["../evil", "..", ".x", "a/b", "train", "a\0b", "‮"])
def test_hostile_class_is_refused(post, capture, name):
    before = everything_in(capture.album.path.parent)
    refused = post("/classes", {"label": name})
    assert refused.status_code == 409 and refused.json()["error"]
    assert everything_in(capture.album.path.parent) == before


def test_classes_and_photos_are_changed(post, capture, jpeg):
    assert post("/classes", {"label": " cafe\u0301 "}).json() == {"label": "café"}
    assert post("/classes/delete", {"label": "cup"}).status_code == 409
    move = {"label": "cup", "photo": "1.jpg", "to": "café"}
    assert post("/photos/move", move).status_code == 200
    assert capture.album.find("café").names() == ["1.jpg"]
    assert post("/classes/delete", {"label": "cup"}).status_code == 200
    assert capture.album.labels() == ["café", "pen"]
    capture.uncertain.add("2.jpg", jpeg())
    named: dict[str, str | None] = {"label": None, "photo": "2.jpg", "to": "pen"}
    assert post("/photos/move", named).status_code == 200
    assert capture.uncertain.names() == []
    photo = {"label": "pen", "photo": "2.jpg"}
    assert post("/photos/delete", photo).status_code == 200
    assert post("/photos/delete", photo).status_code == 409


def test_recording_tells_its_counts(post, camera, capture, wait_until):
    body = {"label": "pen", "key": KEY}
    begun = {"kept": 0, "same": 0, "problem": "", "is_over": False}
    assert post("/record", body).json() == begun
    camera.show()
    wait_until(lambda: post("/record", body).json()["kept"] == 1)
    assert post("/release", {"key": KEY}).json()["kept"] == 1
    assert len(capture.album.find("pen").names()) == 1
    camera.state = "reopening"
    assert "camera is reopening" in post("/record", body).json()["problem"]
    assert post("/record", {**body, "label": "x"}).status_code == 409


def test_models_are_exchanged(post, client, capture):
    assert "no former model" in post("/former", {}).json()["error"]
    capture.model.write_bytes(b"new")
    former = capture.model.with_name("mine.former.tflite")
    former.write_bytes(b"old")
    assert client.get("/v1/capture").json()["has_former"]
    assert post("/former", {}).status_code == 200
    assert (capture.model.read_bytes(), former.read_bytes()) == (b"old", b"new")


@pytest.mark.parametrize("path", WRITING)
def test_another_site_changes_nothing(client, tmp_path, path):
    """As a page does whose visitor has a cookie, or reads on the camera's machine."""
    before = everything_in(tmp_path)
    url, body = f"/v1/capture{path}", WRITING[path]
    evil = {"Origin": "http://evil.example"}
    assert client.post(url, json=body, headers=evil).status_code == 403
    crossing = {"Sec-Fetch-Site": "cross-site"}
    assert client.post(url, json=body, headers=crossing).status_code == 403
    # What a form sends, and a script without asking first.
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        headers = {"Content-Type": kind}
        sent = client.post(url, content=b'{"label": "new"}', headers=headers)
        assert sent.status_code == 415
    assert client.options(url, headers=evil).status_code == 405
    assert client.get(url).status_code in (404, 405)
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize("path", WRITING)
def test_every_route_needs_the_token(make_client, capture, tmp_path, path):
    client = make_client(capture=capture, access=Access(TOKEN))
    before = everything_in(tmp_path)
    refused = client.post(f"/v1/capture{path}", json=WRITING[path])
    assert refused.status_code == 401
    for reading in ("", "/photos", "/photo"):
        assert client.get(f"/v1/capture{reading}").status_code == 401
    assert client.get("/capture").status_code == 200  # It asks for the token.
    assert everything_in(tmp_path) == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/classes", {}),
        ("/classes", {"label": 7}),
        ("/classes", {"label": "x" * 256}),
        ("/classes", {"label": "x", "path": "/"}),
        ("/photos/delete", {"photo": "1.jpg"}),
        ("/record", {"label": "cup", "key": "../../x/y"}),
        ("/teach", {"flags": "--model=/etc/passwd"}),
    ],
)
def test_body_of_another_form_is_refused(post, path, body):
    assert post(path, body).status_code == 422


@pytest.mark.parametrize(
    ("body", "status", "sentence"),
    [
        (b"{", 422, "The body: JSON decode error."),
        (b"", 422, "The body: Field required."),
        (b"[1]", 422, "The body: Input should be a valid"),
        (b'{"label": "\xff"}', 400, "The body is not JSON; correct it."),
        # Python's parser gives up.
        (b"[" * 4000, 400, "The body is not JSON; correct it."),
        (b'{"label": "' + b"x" * 5000 + b'"}', 413, "more than 4096 bytes"),
    ],
)
def test_malformed_body_is_refused_in_one_sentence(client, body, status, sentence):
    headers = {"Content-Type": "application/json"}
    refused = client.post("/v1/capture/classes", content=body, headers=headers)
    assert refused.status_code == status
    assert sentence in refused.json()["error"]


def test_without_the_flag_there_is_no_such_page(make_client):
    client = make_client()
    for path in ("/capture", "/page/capture.html", "/page/capture.js", "/v1/capture"):
        assert client.get(path).status_code == 404
    assert client.get("/v1/state").json()["capture"] is False
    sent = client.post("/v1/capture/classes", json={"label": "x"})
    assert sent.status_code == 404


def test_damaged_photo_and_missing_folder_are_sentences(client, capture, caplog):
    (capture.album.path / "cup" / "2.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    params = {"label": "cup", "photo": "2.jpg"}
    damaged = client.get("/v1/capture/photo", params=params)
    assert damaged.status_code == 409 and "truncated" in damaged.json()["error"]
    os.rename(capture.album.path, capture.album.path.with_name("gone"))
    missing = client.get("/v1/capture")
    assert missing.status_code == 409 and "cannot be read" in missing.json()["error"]
    # An error of the disk is logged, too.
    assert missing.json()["error"] in caplog.text
    assert "truncated" not in caplog.text
