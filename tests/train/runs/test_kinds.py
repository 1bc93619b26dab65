"""The table of stage kinds agrees with the verbs that make them."""

import dataclasses

import pytest

from corallite.convert.edgetpu.compile.compiler import Options
from corallite.convert.export.ethos_u import SETTINGS
from corallite.optimize.calibrate.choose_images import DEFAULT_COUNT
from corallite.train.runs.commands import list_flags
from corallite.train.runs.kinds import ETHOS_U, KINDS, depth, export_stage, find_kind


def test_every_stage_goes_back_to_the_one_first():
    assert [kind.name for kind in KINDS.values() if not kind.parents] == ["float"]
    for kind in KINDS.values():
        assert all(depth(parent) < depth(kind.name) for parent in kind.parents)


def test_the_settings_are_the_defaults_of_the_verbs():
    assert KINDS["edgetpu"].settings == dataclasses.asdict(Options())
    assert KINDS["int8"].settings["calibration_count"] == DEFAULT_COUNT


def test_an_export_has_a_folder_of_its_own_but_int8_keeps_its():
    assert export_stage("int8") == "int8"
    assert find_kind(export_stage("onnx")).name == "exports/onnx"
    assert depth("exports/onnx") == depth("int8") + 1


def test_an_unknown_kind_is_an_error():
    with pytest.raises(KeyError, match="none"):
        find_kind("none")


def test_what_vela_compiles_is_made_by_compile():
    kind = find_kind(ETHOS_U)
    assert (kind.name, kind.verb, kind.parents) == (ETHOS_U, "compile", ("int8",))
    assert kind.settings.keys() == SETTINGS.keys()
    inputs = {"accelerator": "ethos-u65-256", "memory_mode": "", "parent": "0"}
    assert list_flags(kind, inputs) == {"target": "ethos-u65-256"}
