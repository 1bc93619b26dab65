"""Where the server may listen, and which requests it accepts."""

import os
import re

import pytest

from corallite.device.serve.guard.access import Access, make_access
from corallite.device.system.errors import RequestError

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3"])
def test_loopback_requires_only_its_host_name(host):
    assert make_access(host, None, None, None) == Access(local_only=True)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "camera.local"])
@pytest.mark.parametrize("is_tls", [False, True])
def test_network_requires_a_token(host, is_tls, monkeypatch):
    monkeypatch.setattr("corallite.device.serve.guard.access._check_tls", print)
    cert, key = ("cert", "key") if is_tls else (None, None)
    with pytest.raises(RequestError, match=re.escape(f"--host={host}: would show")):
        make_access(host, None, cert, key)
    assert make_access(host, None, cert, key, True) == Access(is_tls=is_tls)


def test_public_server_has_no_token(monkeypatch):
    monkeypatch.setenv("CORALLITE_TOKEN", TOKEN)
    with pytest.raises(RequestError, match="--public: .* but a token is set; remove"):
        make_access("0.0.0.0", None, None, None, is_public=True)


def test_token_comes_from_a_file_or_the_environment(tmp_path, monkeypatch):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    assert make_access("0.0.0.0", str(path), None, None) == Access(TOKEN)
    monkeypatch.setenv("CORALLITE_TOKEN", TOKEN)
    assert make_access("127.0.0.1", None, None, None) == Access(TOKEN)


@pytest.mark.parametrize("text", ["", "short", "0123456789 abcdef", "ä" * 20])
def test_weak_token_is_refused(tmp_path, text):
    path = tmp_path / "token"
    path.write_text(text)
    with pytest.raises(RequestError, match="has no token of at least 16"):
        make_access("127.0.0.1", str(path), None, None)


def test_unusable_files_are_refused(tmp_path):
    with pytest.raises(RequestError, match="cannot be read .*; check its name"):
        make_access("127.0.0.1", str(tmp_path / "none"), None, None)
    with pytest.raises(RequestError, match="are used together; set both"):
        make_access("127.0.0.1", None, str(tmp_path / "cert"), None)
    with pytest.raises(RequestError, match="not a certificate and its key"):
        make_access("127.0.0.1", None, str(tmp_path / "a"), str(tmp_path / "b"))


def test_endless_files_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RequestError, match="zero: cannot be read .is larger than 16"):
        make_access("127.0.0.1", "/dev/zero", None, None)
    for cert in (str(tmp_path / "pipe"), "/dev/zero"):
        with pytest.raises(RequestError, match="not a cert.*is not a regular file"):
            make_access("127.0.0.1", None, cert, cert)


def test_only_the_token_or_its_session_grants_access():
    access = Access(TOKEN)
    assert access.admits(f"Bearer {TOKEN}", "")
    assert access.admits(f"bearer  {TOKEN}", "")
    assert access.admits("", f"other=1; corallite_session={access.session()}")
    for authorization, cookies in [
        ("", ""),
        ("Bearer", ""),
        ("Bearer wrong", f"corallite_session={access.session()}"),
        (f"Basic {TOKEN}", ""),
        ("", f"corallite_session={TOKEN}"),
        ("", f"corallite_session={Access(TOKEN + 'x').session()}"),
        ("Bearer \udc80", ""),
        ("", "\x00;;=,"),
    ]:
        assert not access.admits(authorization, cookies)
