"""Addresses of MQTT brokers."""

import pytest

from corallite.device.outputs.broker import Address, parse_address
from corallite.device.system.errors import RequestError


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("mqtt://broker/a/b", Address("broker", 1883, "a/b")),
        ("mqtts://broker/a", Address("broker", 8883, "a", is_encrypted=True)),
        (
            "mqtt://me:p%40ss@10.0.0.2:1884/cam",
            Address("10.0.0.2", 1884, "cam", "me", "p@ss"),
        ),
    ],
)
def test_address_is_parsed(url, address):
    assert parse_address(url) == address


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        *((url, "is not a valid URL; write mqtt://USER") for url in ("broker/topic",)),
        ("http://broker/topic", "http://...: is not a valid URL; write mqtt://USER"),
        *((f"mqtt://broker{x}", "has no valid topic") for x in ("", "/", "/+", "/%23")),
        *((f"mqtt://{x}/a", "no valid host") for x in ("", "broker:0", "broker:x")),
        (f"mqtt://{'b' * 64}.local/a", "no valid host"),
        *((f"mqtt://broker/a#{x}", 'at its "#"; write "#" as %23') for x in "b "),
        *((f"mqtt://broker/a?{x}", '"?" as %3F') for x in ("", "u=secret")),
        ("mqtt://broker/\udcff", "cannot be printed"),
        (f"mqtt://broker/{'a' * 2**16}", "is longer than 32768 bytes"),
        ("mqtt://me:secret@broker/", "has no valid topic"),
        ("mqtt://me:secret#1@broker/a", 'write "#" as %23'),
        ("mqtt:/me:secret@broker/a", "is not a valid URL"),
        *((f"mqtt://{x}", "is not UTF-8; MQTT") for x in ("me:%E9@b/a", "b/a%FF")),
        *(
            (f"mqtt://broker/a%{x}", "has no valid topic")
            for x in ("1b", "00", "C2%9B")
        ),
    ],
)
def test_invalid_address_is_refused(url, sentence):
    with pytest.raises(RequestError) as refused:
        parse_address(url)
    assert sentence in str(refused.value) and "secret" not in str(refused.value)
    assert str(refused.value).startswith("--mqtt")


def test_wildcards_are_accepted_on_request():
    assert parse_address("mqtt://broker/+/cam", wildcards="+").topic == "+/cam"
    for topic in ("%23", "home/a+", "+a/b"):
        with pytest.raises(RequestError, match='without "#" .* whole level') as refused:
            parse_address(f"mqtt://broker/{topic}", wildcards="+")
        assert '"+"' in str(refused.value)
