"""Requests to cameras: passwords, redirections, errors, against a real server."""

import base64
import hashlib
import re

import pytest

from corallite.device.camera.http_client import HttpClient, choose_login, close
from corallite.device.system.errors import RequestError
from corallite.device.system.url import Url, parse_url

# RFC 7616, 3.9.1.
RFC_DIGEST = (
    'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm={}, '
    'nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", '
    'opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
)
BASIC = 'Basic realm="camera"'


def digest(realm="cam", nonce="n1", qop="auth", more=""):
    words = f'Digest realm="{realm}", nonce="{nonce}"'
    return words + (f', qop="{qop}"' if qop else "") + more


def parse_fields(header):
    return dict(re.findall(r'(\w+)="?([^",]*)"?', header.removeprefix("Digest ")))


class Lock:
    """Answers 401 with `challenges` until `opens(header)` is true."""

    def __init__(self, camera_server, jpeg, *challenges, opens=lambda header: True):
        self.challenges, self.opens, self.seen = challenges, opens, []
        self.camera, self.image = camera_server, jpeg()

    def serve(self, handler):
        header = handler.headers.get("Authorization")
        self.seen.append(header)
        if header and self.opens(header):
            self.camera.once(handler, self.image)
            return
        handler.send_response(401)
        for challenge in self.challenges:
            handler.send_header("WWW-Authenticate", challenge)
        handler.end_headers()


@pytest.fixture
def lock(camera_server, jpeg, monkeypatch):
    def lock(*challenges, **options):
        made = Lock(camera_server, jpeg, *challenges, **options)
        monkeypatch.setattr(camera_server, "serve", made.serve)
        return made

    return lock


def client_of(camera_server, user="me:p%40ss@", path="?size=1"):
    url = camera_server.url.replace("//", f"//{user}") + path
    return HttpClient(parse_url(url), 10)


def get(client):
    response, stream = client.get()
    body = response.read()
    close(response, stream)
    return body


def test_camera_without_a_password_never_gets_one(camera_server, jpeg, monkeypatch):
    monkeypatch.setattr(
        camera_server, "serve", lambda handler: camera_server.once(handler, jpeg())
    )
    assert get(client_of(camera_server)) == jpeg()
    assert "Authorization" not in camera_server.requests[0]


def test_password_is_sent_as_basic_only_after_a_request_for_basic(lock, camera_server):
    locked = lock(BASIC)
    client = client_of(camera_server)
    get(client)
    get(client)
    secret = f"Basic {base64.b64encode(b'me:p@ss').decode()}"
    assert locked.seen == [None, secret, secret]


@pytest.mark.parametrize(
    "challenges",
    [[digest()], [BASIC, digest()], [f"{BASIC}, {digest()}"], [f"{digest()}, {BASIC}"]],
)
def test_digest_is_preferred_and_the_password_never_sent(
    lock, camera_server, challenges
):
    locked = lock(*challenges)
    client = client_of(camera_server)
    get(client)
    get(client)
    assert locked.seen[0] is None and len(locked.seen) == 3
    for number, header in enumerate(locked.seen[1:], start=1):
        fields = parse_fields(header)
        assert fields["nc"] == f"{number:08x}" and fields["uri"] == client.url.target

        def md5(*words):
            return hashlib.md5(":".join(words).encode()).hexdigest()

        words = (fields["nonce"], fields["nc"], fields["cnonce"], fields["qop"])
        request = md5("GET", fields["uri"])
        assert fields["response"] == md5(md5("me", "cam", "p@ss"), *words, request)


def test_new_nonce_is_accepted_once_per_request(lock, camera_server):
    locked = lock(digest(nonce="n1"))
    client = client_of(camera_server)
    get(client)
    locked.challenges = [digest(nonce="n2", more=", stale=true")]
    locked.opens = lambda header: 'nonce="n2"' in header
    get(client)
    assert len(locked.seen) == 4


@pytest.mark.parametrize(("algorithm", "length"), [("MD5", 32), ("SHA-256", 64)])
@pytest.mark.parametrize("session", ["", "-sess"])
def test_algorithms_of_the_standard_are_known(algorithm, length, session):
    login = choose_login(
        [RFC_DIGEST.format(f"{algorithm}{session}")], "Mufasa", "Circle of Life"
    )
    assert login is not None
    fields = parse_fields(login("/dir/index.html"))
    assert fields["algorithm"] == f"{algorithm}{session}"
    assert len(fields["response"]) == length
    assert fields["opaque"] == "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"


def test_response_is_that_of_the_standard(monkeypatch):
    own_nonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    monkeypatch.setattr("secrets.token_hex", lambda count: own_nonce)
    login = choose_login([RFC_DIGEST.format("MD5")], "Mufasa", "Circle of Life")
    assert login is not None
    assert 'response="8ca523f5e9506fed4657c9700eebdbec"' in login("/dir/index.html")


def test_digest_without_qop_is_that_of_the_former_standard():
    login = choose_login([digest(qop="")], 'm"e', "pé")
    assert login is not None and "qop" not in login("/")
    assert r'username="m\"e"' in login("/")


@pytest.mark.parametrize(
    "challenges",
    [[], ["Bearer"], [digest(qop="auth-int")], [digest(more=", algorithm=MD6")]],
)
def test_unknown_login_is_named(lock, camera_server, challenges):
    lock(*challenges)
    with pytest.raises(RequestError, match="login other than Basic and Digest"):
        client_of(camera_server).get()


def test_missing_and_wrong_password_are_told_apart(lock, camera_server):
    locked = lock(digest(), opens=lambda header: False)
    with pytest.raises(RequestError, match="http://USER:PASSWORD@HOST"):
        client_of(camera_server, user="").get()
    with pytest.raises(RequestError, match="refuses the user name or the") as refused:
        client_of(camera_server).get()
    assert "p@ss" not in str(refused.value) and len(locked.seen) == 3


def test_http_error_status_is_reported(camera_server):
    camera_server.status = 404
    with pytest.raises(RequestError, match="the server answers 404 Not Found; check"):
        client_of(camera_server).get()


def test_redirection_keeps_the_password_on_the_same_host(
    camera_server, jpeg, monkeypatch
):
    def serve(handler):
        if handler.path.startswith("/stream"):
            handler.send_response(302)
            handler.send_header("Location", "/image?id=7")
            handler.end_headers()
        else:
            camera_server.once(handler, jpeg())

    monkeypatch.setattr(camera_server, "serve", serve)
    client = client_of(camera_server)
    assert get(client) == jpeg()
    assert (client.url.target, client.url.password) == ("/image?id=7", "p@ss")


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("https://cam/b", Url("https", "cam", None, "/b", "", "me", "pw")),
        ("http://other/b", Url("http", "other", None, "/b")),
        ("//cam:8080/b", Url("http", "cam", 8080, "/b", "", "me", "pw")),
    ],
)
def test_redirection_takes_the_password_to_no_other_host(location, expected):
    class Redirection:
        status, headers = 301, {"Location": location}

    client = HttpClient(parse_url("http://me:pw@cam/a"), 10)
    assert client._follow(Redirection())  # type: ignore[arg-type]
    assert client.url == expected


def test_redirection_in_a_circle_ends(camera_server, monkeypatch):
    def serve(handler):
        camera_server.requests.append(handler.path)
        handler.send_response(302)
        handler.send_header("Location", "/again")
        handler.end_headers()

    monkeypatch.setattr(camera_server, "serve", serve)
    with pytest.raises(RequestError, match="answers 302 Found"):
        client_of(camera_server).get()
    assert len(camera_server.requests) < 10
