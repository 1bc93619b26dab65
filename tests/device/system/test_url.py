"""URLs of cameras and brokers, whose secrets are never shown."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from corallite.device.system.errors import RequestError
from corallite.device.system.url import (
    Url,
    hide_urls,
    may_be_url,
    parse_url,
    without_secrets,
)

# A secret is START + any characters + END: neither may be shown, in any case.
START, END = "qzx7", "kwj9"
PRINTABLE = "".join(map(chr, range(32, 127))) + "éß中\xa0\t"
FORMS = (
    *("{scheme}://me:{secret}@cam.local:80/x", "{scheme}://{secret}@cam.local/x"),
    *("{scheme}://{secret}:word@cam.local/x", "{scheme}://me:{secret}@cam.local"),
    *("{scheme}://cam.local/x?token={secret}", "{scheme}://cam.local?pwd={secret}&a=1"),
    "{scheme}://cam.local/user=me&password={secret}&channel=1",
    # Mistyped.
    *("{scheme}:/me:{secret}@cam.local/x", "{scheme}:me:{secret}@cam.local/x"),
    *("{scheme}//me:{secret}@cam.local/x", "me:{secret}@cam.local/x"),
    *("me:{secret}@cam.local", "cam.local/x?token={secret}"),
    "//me:{secret}@cam.local/x",
    *("{scheme}:\\\\me:{secret}@cam.local", "{scheme}://me:{secret}@cam:port/x"),
    *("{scheme}:///me:{secret}@cam.local/x", " {scheme}://me:{secret}@cam.local"),
)
urls = st.builds(
    lambda form, scheme, middle: form.format(
        scheme=scheme, secret=START + middle + END
    ),
    st.sampled_from(FORMS),
    st.sampled_from(["http", "https", "rtsp", "rtsps", "mqtt", "mqtts", "RTSP"]),
    st.text(PRINTABLE, max_size=4),
)


def is_hidden(text):
    return START not in text.lower() and END not in text.lower()


@given(urls)
@example(f"{START}://{END}@cam.local/x")
def test_secret_is_in_no_name_and_no_error(text):
    assert may_be_url(text) and is_hidden(without_secrets(text))
    quoting = f"{text}: no such file, {text!r} is missing."
    assert is_hidden(hide_urls(quoting, ["other", text]))
    try:
        url = parse_url(text)
    except RequestError as error:
        assert is_hidden(str(error))
    else:
        assert is_hidden(url.name.partition("://")[2]) and is_hidden(repr(url)[9:])


@pytest.mark.parametrize("character", PRINTABLE[:95])
def test_every_printable_character_may_be_percent_encoded(character):
    word = f"a{character}b"
    encoded = f"a%{ord(character):02X}b"
    url = parse_url(f"rtsp://{encoded}:{encoded}@cam:554/live")
    assert (url.user, url.password, url.host, url.port) == (word, word, "cam", 554)
    # The library that parses it again finds the same.
    assert parse_url(url.text) == url


@pytest.mark.parametrize("character", PRINTABLE[:95])
def test_unescaped_character_is_understood_or_its_code_is_named(character):
    text = f"rtsp://me:{START}{character}{END}@cam:554/live"
    if character in "/?#":
        sentence = f'write "{character}" as %{ord(character):02X}'
        with pytest.raises(RequestError, match="before its last") as refused:
            parse_url(text)
        assert sentence in str(refused.value) and is_hidden(str(refused.value))
        return
    url = parse_url(text)
    assert (url.host, url.password) == ("cam", f"{START}{character}{END}")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("rtsp://cam", Url("rtsp", "cam")),
        ("HTTP://Cam:8080", Url("http", "Cam", 8080)),
        ("http://user@[::1]:80/a", Url("http", "::1", 80, "/a", user="user")),
        ("http://[fe80::1%eth0]/", Url("http", "fe80::1%eth0", path="/")),
        ("http://:p@cam/", Url("http", "cam", None, "/", "", "", "p")),
        ("http://cam/a b?c=é", Url("http", "cam", None, "/a%20b", "c=%C3%A9")),
        ("http://a:%E9@cam", Url("http", "cam", user="a", password="\udce9")),
        ("http://a:5%@cam", Url("http", "cam", user="a", password="5%")),
        ("http://kamera-küche:1/", Url("http", "kamera-küche", 1, "/")),
    ],
)
def test_parts_are_found(text, url):
    assert parse_url(text) == url
    assert parse_url(url.text) == url


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rtsp://user:secret@cam:554/live?token=1", "rtsp://cam:554/live"),
        ("http://user@[::1]:80/a", "http://[::1]:80/a"),
        ("http://cam", "http://cam"),
        ("gs://photos_1/shards", "gs://photos_1/shards"),
        ("rtsp://cam/user=me&password=x/ch=1/live", "rtsp://cam/.../.../live"),
        ("http://user:secret@host:port/x", "http://..."),
        ("user:secret@host/x", "..."),
    ],
)
def test_names_are_without_secrets(text, shown):
    assert without_secrets(text) == shown


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("cam/live", "is not a valid URL; write SCHEME://USER"),
        ("ftp://cam/x", "ftp://...: is not a valid URL; write"),
        *(
            (f"http://{host}/x", "no valid host and port")
            for host in ("", ":80", "a b")
        ),
        *((f"http://cam:{port}/", "no valid host") for port in ("0", "99999", "x")),
        *((f"http://{host}/", "no valid host") for host in ("[::1", "a..b", "é" * 64)),
        ("http://cam/x#y", 'would end at its "#"; write "#" as %23'),
        ("http://cam/\n", "cannot be printed; percent-encode it, such as %0A"),
        ("http://cam/\udcff", "cannot be printed"),
    ],
)
def test_invalid_url_is_refused(text, sentence):
    with pytest.raises(RequestError) as refused:
        parse_url(text, ("http", "rtsp"))
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    "path", ["/dev/v4l/usb:1@0?a=1", "./a:b@home", "../:@", "me@home.jpg", "what?.jpg"]
)
def test_paths_are_no_urls(path):
    assert not may_be_url(path)


def test_existing_files_are_shown(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    name = "me:1@home.jpg"
    assert hide_urls(f"{name}: is gone.", [name]) == "...: is gone."
    (tmp_path / name).touch()
    assert hide_urls(f"{name}: is damaged.", [name]) == f"{name}: is damaged."
