"""Which requests may change something: those of our own page, and of programs."""

import asyncio

import pytest

from corallite.device.serve.guard.access import Access
from corallite.device.serve.guard.refusal import Refusal
from corallite.device.serve.guard.same_origin import (
    SameOrigin,
    check_host,
    check_origin,
)

HOST = "camera:8000"
JSON = {"content-type": "application/json", "content-length": "2"}


@pytest.mark.parametrize(
    ("headers", "is_ours"),
    [
        # A program that is no browser.
        ({}, True),
        # Our page, with and without TLS.
        ({"sec-fetch-site": "same-origin", "origin": f"https://{HOST}"}, True),
        ({"origin": f"http://{HOST}"}, True),
        # Behind a proxy that changes the host.
        ({"sec-fetch-site": "same-origin", "origin": "https://door.example"}, True),
        # Pages of others: another site, another port, a file, a sandboxed frame.
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, False),
        ({"sec-fetch-site": "same-site", "origin": f"https://{HOST}"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://camera:8001"}, False),
        ({"origin": f"http://{HOST}.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
    ],
)
def test_page_of_another_site_is_refused(headers, is_ours):
    headers = {"host": HOST, **headers}
    if is_ours:
        check_origin(headers)
        return
    with pytest.raises(Refusal) as refused:
        check_origin(headers)
    assert refused.value.status == 403


@pytest.mark.parametrize(
    ("host", "is_own"),
    [
        ("192.168.1.5:8000", True),
        ("[fe80::1]:8000", True),
        ("[::1]", True),
        ("localhost:8000", True),
        ("raspberrypi", True),
        ("RaspberryPi.local:8000", True),
        ("raspberrypi.lan", True),
        ("", True),
        ("evil.example", False),
        ("evil.example:8000", False),
        ("192.168.1.5.evil.example", False),
        ("raspberrypi.evil.example", False),
        ("local", False),
    ],
)
def test_name_that_another_site_gave_the_machine_is_refused(host, is_own):
    """DNS rebinding: the page and the server seem to have one origin."""
    if is_own:
        check_host(host, "raspberrypi.lan")
        return
    with pytest.raises(Refusal, match="use the IP address of this machine"):
        check_host(host, "raspberrypi.lan")


class Application:
    """Notes the body of each request that reaches it."""

    def __init__(self):
        self.bodies = []

    async def __call__(self, scope, receive, send):
        self.bodies.append((await receive())["body"])


def ask(headers, *messages, method="POST", path="/v1/capture/teach", access=None):
    """Returns the status of the refusal, or None, and the bodies that passed."""
    application, sent, left = Application(), [], list(messages)
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(k.encode(), v.encode()) for k, v in headers.items()],
    }

    async def receive():
        return left.pop(0)

    async def send(message):
        sent.append(message)

    asyncio.run(SameOrigin(application, access or Access())(scope, receive, send))
    return (sent[0]["status"] if sent else None), application.bodies


def part(body, has_more=False):
    return {"type": "http.request", "body": body, "more_body": has_more}


def test_body_reaches_the_application_as_a_whole():
    assert ask(JSON, part(b"{", True), part(b"}")) == (None, [b"{}"])


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({**JSON, "origin": "http://evil.example"}, 403),
        # What a form of another site can send.
        ({**JSON, "content-type": "text/plain"}, 415),
        ({"content-length": "2"}, 415),
        ({"content-type": "application/json"}, 411),
        ({**JSON, "content-length": "-1"}, 411),
        ({**JSON, "content-length": "9" * 5000}, 411),
        ({**JSON, "content-length": "4097"}, 413),
    ],
)
def test_request_is_refused_before_its_body_is_read(headers, status):
    assert ask(headers) == (status, [])


def test_any_name_is_accepted_with_a_token():
    headers = {**JSON, "host": "camera.example"}
    assert ask(headers)[0] == 403
    with_token = ask(headers, part(b"{}"), access=Access("0123456789abcdef"))
    assert with_token == (None, [b"{}"])


def test_body_that_is_cut_short_is_refused():
    messages = part(b"{", True), {"type": "http.disconnect"}
    assert ask(JSON, *messages) == (400, [])


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v1/capture"), ("POST", "/v1/classify"), ("POST", "/v1/captured")],
)
def test_others_pass_as_they_are(method, path):
    passed = ask(
        {"origin": "http://evil.example"}, part(b"x"), method=method, path=path
    )
    assert passed == (None, [b"x"])


def test_every_method_that_writes_is_guarded():
    for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "post", "MOVE"):
        assert ask({}, method=method)[0] == 415
