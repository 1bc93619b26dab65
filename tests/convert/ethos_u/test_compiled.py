"""What a file says that Vela has compiled."""

import struct

import pytest

from corallite.convert.ethos_u.compile_file import compile_file
from corallite.convert.ethos_u.compiled import CompiledFile, describe_compiled
from corallite.convert.ethos_u.vela_program import Options
from corallite.convert.tflite.reader import decode
from corallite.device.benchmark.ethosu.vela import ACCELERATORS


@pytest.mark.parametrize(
    "accelerator",
    # The others differ by the number alone; each takes seconds.
    [x for x in ACCELERATORS if x.endswith(("u55-128", "u65-512", "u85-2048"))],
)
def test_accelerator_is_read_back(partly_mapped, write_file, accelerator):
    pytest.importorskip("ethosu.vela")
    made = compile_file(write_file(partly_mapped.content()), Options(accelerator))
    found = describe_compiled(decode(made.content))
    assert found == CompiledFile(accelerator, (0, 2), (1, 3, 4))


def stream(*words):
    return b"COP1" + struct.pack(f"<{len(words)}I", *words)


@pytest.mark.parametrize(
    ("content", "accelerator"),
    [
        *((stream(1, 5), "ethos-u55-32"), (stream(1, 0x10003008), "ethos-u65-256")),
        *((stream(1, 0x2000261B), "ethos-u85-2048"), (stream(2, 5), "")),
        *((stream(1, 0xF0000005), ""), (stream(1), ""), (b"COP2" + bytes(8), "")),
    ],
)
def test_unknown_streams_have_no_accelerator(writer, content, accelerator):
    x = writer.input()
    constant = writer.tensor((len(content),), "UINT8", data=list(content))
    x = writer.operator("ethos-u", [constant, x], (1, 8, 8, 4))
    found = describe_compiled(decode(writer.content(writer.conv(x))))
    assert found == CompiledFile(accelerator, (0,), (1,))


def test_stream_that_is_missing_has_no_accelerator(writer):
    writer.operator("ethos-u", [-1], (1, 8, 8, 4))
    found = describe_compiled(decode(writer.content()))
    assert found == CompiledFile("", (0,), ())


def test_other_files_are_not_compiled(writer):
    writer.conv(writer.input())
    assert describe_compiled(decode(writer.content())) is None
