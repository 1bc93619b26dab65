"""Loading: the choice of a runtime, and files that are no model."""

import os

import pytest
from fixtures.small_models import write_model

from corallite.device.engine.runtime import (
    choose_runtime,
    load_interpreter,
    read_model,
)
from corallite.device.system.errors import RequestError


def test_model_is_loaded_with_its_tensors(tiny_models):
    interpreter = load_interpreter(tiny_models["uint8"], num_threads=2)
    assert interpreter.get_input_details()[0]["shape"].tolist() == [1, 32, 32, 3]


def test_litert_is_preferred_with_any_numpy():
    assert choose_runtime(lambda name: True, "2.4.6") == "ai_edge_litert"
    assert choose_runtime(lambda name: True, "1.26.4") == "ai_edge_litert"


def test_tflite_runtime_is_taken_where_litert_is_not():
    found = choose_runtime(lambda name: name == "tflite_runtime", "1.26.4")
    assert found == "tflite_runtime"


def test_tflite_runtime_with_numpy_2_is_refused_with_the_remedy():
    with pytest.raises(RequestError, match="below 2 and this is 2.0.1; .*'numpy<2'"):
        choose_runtime(lambda name: name == "tflite_runtime", "2.0.1")


def test_no_runtime_is_refused_with_the_remedy():
    with pytest.raises(RequestError, match="pip install ai-edge-litert"):
        choose_runtime(lambda name: False)


def test_a_runtime_that_cannot_be_loaded_is_one_sentence(
    tiny_models, tmp_path, monkeypatch
):
    monkeypatch.setattr("corallite.device.engine.runtime.RUNTIMES", ("broken_runtime",))
    (tmp_path / "broken_runtime").mkdir()
    (tmp_path / "broken_runtime/__init__.py").touch()
    (tmp_path / "broken_runtime/interpreter.py").write_text(
        "raise ImportError('libwhatever.so: no such file')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RequestError, match="cannot be loaded .libwhatever.so"):
        load_interpreter(tiny_models["uint8"])


@pytest.mark.parametrize("content", [b"", b"TFL", b"not a model" * 100])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(RequestError, match="model.tflite: is not a TFLite model"):
        load_interpreter(path)


def test_missing_file_and_folder_are_refused(tmp_path):
    with pytest.raises(RequestError, match="gone.tflite: cannot be read"):
        load_interpreter(tmp_path / "gone.tflite")
    with pytest.raises(RequestError, match="cannot be read"):
        load_interpreter(tmp_path)


def test_pipes_and_devices_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(RequestError, match=f"{path}: cannot be read .is not a reg"):
            read_model(path)


def test_truncated_model_is_refused(tiny_models, tmp_path):
    content = tiny_models["uint8"].read_bytes()
    path = tmp_path / "model.tflite"
    for length in range(8, len(content) - 64, 97):
        path.write_bytes(content[:length])
        with pytest.raises(
            RequestError, match="model.tflite: (is damaged|cannot be run)"
        ):
            load_interpreter(path)


@pytest.mark.parametrize("name", [b"input_0", b"tensor_5"])
def test_a_tensor_whose_name_is_not_utf_8_is_refused(tmp_path, name):
    path, content = tmp_path / "model.tflite", write_model()
    path.write_bytes(content.replace(name, b"\xff" + name[1:]))
    with pytest.raises(RequestError, match="model.tflite: cannot be run .'utf-8'"):
        load_interpreter(path)


def test_no_threads_are_refused(tiny_models):
    with pytest.raises(ValueError, match="`num_threads`.*got 0"):
        load_interpreter(tiny_models["uint8"], num_threads=0)
