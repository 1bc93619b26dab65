"""The exchange of two models, interrupted at any moment."""

import os

import pytest

from corallite.device.learn.former import name_former
from corallite.device.serve.capture.former_model import exchange, repair
from corallite.device.system.errors import RequestError


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "mine.tflite"
    path.write_bytes(b"new")
    (tmp_path / "mine.former.tflite").write_bytes(b"old")
    return path


def test_models_are_exchanged_and_back(model):
    exchange(model)
    assert (model.read_bytes(), name_former(model).read_bytes()) == (b"old", b"new")
    exchange(model)
    assert (model.read_bytes(), name_former(model).read_bytes()) == (b"new", b"old")
    assert len(os.listdir(model.parent)) == 2


def test_model_that_was_removed_is_replaced(model):
    model.unlink()
    exchange(model)
    assert model.read_bytes() == b"old" and not name_former(model).exists()


def test_without_a_former_model_nothing_changes(model):
    name_former(model).unlink()
    with pytest.raises(RequestError, match="There is no former model"):
        exchange(model)
    assert model.read_bytes() == b"new"


# It renames three times: the spare copy, the former model, the spare copy again.
@pytest.mark.parametrize("renamed", range(4))
def test_killed_at_any_moment_no_model_is_lost(model, monkeypatch, renamed):
    done: list[str] = []
    really = os.replace

    def replace(source, target):
        if len(done) == renamed:
            raise KeyboardInterrupt
        done.append(target)
        really(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", replace)
        if renamed < 3:
            with pytest.raises(KeyboardInterrupt):
                exchange(model)
        else:
            exchange(model)
    assert model.read_bytes() in (b"new", b"old")
    repair(model)
    both = {model.read_bytes(), name_former(model).read_bytes()}
    assert both == {b"new", b"old"}
    assert len(os.listdir(model.parent)) == 2
