"""URLs of channels, and where a device keeps their files."""

import pytest

from corallite.device.channel.address import parse_channel
from corallite.device.system.errors import RequestError

URL = "https://models.example/door/channel.json"


@pytest.fixture(autouse=True)
def no_service(monkeypatch):
    monkeypatch.delenv("STATE_DIRECTORY", raising=False)


def test_each_channel_has_a_folder_of_its_own():
    other = URL.replace("door", "gate")
    assert parse_channel(URL) == parse_channel(URL)
    assert parse_channel(URL).folder != parse_channel(other).folder


def test_service_keeps_its_files_where_systemd_says(monkeypatch, tmp_path):
    monkeypatch.setenv("STATE_DIRECTORY", f"{tmp_path}:/other")
    assert parse_channel(URL).folder.is_relative_to(tmp_path)


@pytest.mark.parametrize(
    "url",
    [
        "https://models.example/",
        "https://models.example/model.tflite",
        "https://models.example/mychannel.json",
        "https://me:secret@models.example/channel.json",
        "https://models.example/channel.json?token=secret",
    ],
)
def test_url_of_something_else_is_refused_without_its_secrets(url):
    with pytest.raises(RequestError, match="is not the URL of a channel") as raised:
        parse_channel(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("host", ["localhost:1", "127.0.0.1:80", "[::1]:80"])
def test_http_to_this_machine_is_enough(host):
    assert parse_channel(f"http://{host}/channel.json").url.startswith("http://")


def test_part_of_a_path_that_may_be_a_secret_is_requested_and_not_shown():
    url = "https://models.example/key=secret/channel.json"
    channel = parse_channel(url)
    assert channel.url == url
    assert "secret" not in channel.name


def test_http_to_another_machine_needs_a_root(tmp_path):
    url = URL.replace("https", "http")
    with pytest.raises(RequestError, match="http is not encrypted; write https"):
        parse_channel(url)
    root = tmp_path / "root.json"
    with pytest.raises(RequestError, match="root.json: cannot be used .No such file"):
        parse_channel(url, str(root))
    root.write_text(
        '{"signed": {"_type": "root", "keys": {"a": 1}, "roles": {"b": 2}}}'
    )
    assert parse_channel(url, str(root)).root == root.read_bytes()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not the JSON of a root"),
        ("[]", "not the JSON of a root"),
        ('{"signed": {"_type": "root"}}', "not the JSON of a root"),
        ('{"signed": {"_type": "targets", "keys": 1, "roles": 1}}', "is 'targets'"),
    ],
)
def test_root_of_another_form_is_refused_by_its_flag(tmp_path, text, why):
    root = tmp_path / "root.json"
    root.write_text(text)
    with pytest.raises(RequestError, match=f"--channel_root={root}: .*{why}.*; give"):
        parse_channel(URL, str(root))
