"""Parameter bytes in compiled files."""

import flatbuffers
import pytest

from corallite.convert.edgetpu.compile.executable import Placed, read_parameters

CACHING, EXECUTION_ONLY = 1, 2


def executable(size, kind):
    """Returns one executable of `executable.fbs`, with parameters and a type."""
    builder = flatbuffers.Builder(1024)
    parameters = builder.CreateByteVector(bytes(size))
    builder.StartObject(17)
    builder.PrependUOffsetTRelativeSlot(6, parameters, 0)
    builder.PrependInt16Slot(13, kind, 0)
    builder.Finish(builder.EndObject())
    return bytes(builder.Output())


def package(*executables):
    """Returns the data of a custom operator from the compiler."""
    builder = flatbuffers.Builder(1024)
    places = [builder.CreateByteVector(content) for content in executables]
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    vector = builder.EndVector()
    builder.StartObject(1)
    builder.PrependUOffsetTRelativeSlot(0, vector, 0)
    builder.Finish(builder.EndObject())
    container = bytes(builder.Output())
    builder = flatbuffers.Builder(1024)
    content = builder.CreateByteVector(container)
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(1, content, 0)
    builder.Finish(builder.EndObject(), b"DWN1")
    return bytes(builder.Output())


def test_parameters_are_cached_or_streamed_by_the_kind_of_executable():
    content = b"some flatbuffer" + package(executable(640, CACHING), executable(64, 2))
    assert read_parameters(content) == Placed(cached=640, streamed=64)


def test_packages_of_several_custom_operators_add_up():
    one = package(executable(100, CACHING))
    assert read_parameters(bytes(32) + one + bytes(32) + one) == Placed(cached=200)


@pytest.mark.parametrize("content", [b"", bytes(100), b"DWN1", bytes(9) + b"DWN1" * 50])
def test_without_a_package_parameters_are_unknown(content):
    assert read_parameters(content) is None


def test_parameters_of_a_truncated_package_are_unknown():
    content = bytes(8) + package(executable(640, CACHING))
    assert read_parameters(content[:-300]) is None
