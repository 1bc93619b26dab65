"""A run's int8 file, compiled for an Ethos-U."""

import pytest
from fixtures.small_run import open_run

from corallite.convert.ethos_u.compiled import describe_compiled
from corallite.convert.ethos_u.vela_program import Options
from corallite.convert.export.convert import convert
from corallite.convert.export.ethos_u import read_finished
from corallite.convert.tflite.reader import read_model
from corallite.device.model.manifest import read_manifest
from corallite.device.system.errors import RequestError


@pytest.mark.slow
def test_convert_makes_what_compile_makes(small_copy):
    pytest.importorskip("ethosu.vela")
    run, data = open_run(small_copy)
    stage = convert(run, data, target="ethos_u")
    assert stage.model_path.name == "model_int8_vela.tflite"
    found = describe_compiled(read_model(stage.model_path))
    assert found is not None and found.accelerator == "ethos-u55-128"
    whole = small_copy / "int8" / "model_int8.tflite"
    assert read_manifest(stage.model_path) == read_manifest(whole)
    # So `compile --target=ethos-u55-128` has nothing to do.
    record = read_finished(run, Options())
    assert record is not None and record["compiled"] == [str(stage.model_path)]
    assert len(record["ethos_u"]["mapped"]) == record["operators"]
    assert read_finished(run, Options("ethos-u55-256")) is None
    assert stage.command().endswith("--target=ethos-u55-128")
    assert convert(run, data, target="ethos_u").metrics() == stage.metrics()


@pytest.mark.slow
def test_stage_of_another_accelerator_is_not_replaced_by_itself(small_copy):
    pytest.importorskip("ethosu.vela")
    run, data = open_run(small_copy)
    stage = convert(run, data, target="ethos_u")
    record = stage.metrics()
    other = {**record["inputs"], "accelerator": "ethos-u65-256"}
    stage.finish(other, {"files": record["files"]})
    with pytest.raises(RequestError, match="accelerator ethos-u65-256, now ethos-u55-"):
        convert(run, data, target="ethos_u")
