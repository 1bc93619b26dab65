"""The int8 file of a run with the sources that run it."""

import pytest
from fixtures.small_run import open_run

from corallite.convert.export.convert import convert
from corallite.convert.export.targets.cpp import read_sources


def test_all_sources_are_exported():
    assert {"main.cc", "CMakeLists.txt", "README.md"} <= read_sources().keys()
    main = read_sources()["main.cc"].decode()
    included = [
        line.split('"')[1] for line in main.splitlines() if '#include "' in line
    ]
    assert set(included) <= read_sources().keys()


@pytest.mark.slow
def test_the_folder_has_the_model_and_its_program(small_copy):
    run, data = open_run(small_copy)
    stage = convert(run, data, target="cpp")
    assert stage.path == small_copy / "exports" / "cpp"
    assert stage.model_path.name == "model_int8.tflite"
    assert stage.model_path.read_bytes() == run.stage("int8").model_path.read_bytes()
    for name, content in read_sources().items():
        assert (stage.path / name).read_bytes() == content
