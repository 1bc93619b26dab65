"""One engine with two handles."""

import numpy as np
import pytest

from corallite.device.engine.base import Engine, OutdatedPixelsError, Status
from corallite.device.image.spec import Preprocessing
from corallite.device.model.manifest import Manifest
from corallite.device.serve.live.engine_handle import EngineHandle, FairLock


class Growing(Engine):
    """Another model, of twice the size, takes over when `is_waiting` is set."""

    manifest = Manifest.of_classifier("tiny", "1", ("cat",), Preprocessing((8, 8)))
    is_waiting = False

    def run(self, pixels_u8):
        if self.is_waiting:
            self.is_waiting = False
            size = self.preprocessing.size_hw[0] * 2
            self.manifest = self.manifest.with_image(
                preprocessing=Preprocessing((size, size))
            )
            raise OutdatedPixelsError
        assert pixels_u8.shape[:2] == self.preprocessing.size_hw
        return np.ones(1, np.float32)

    def status(self):
        return Status("tiny", "1")


def zeros(handle):
    return np.zeros((*handle.preprocessing.size_hw, 3), np.uint8)


def test_pixels_for_a_model_that_the_other_user_has_replaced_are_not_run():
    engine, turn = Growing(), FairLock()
    camera, requests = EngineHandle(engine, turn), EngineHandle(engine, turn)
    pixels_u8 = zeros(camera)
    assert len(camera.run(pixels_u8)) == 1
    engine.is_waiting = True
    assert len(requests.classify(pixels_u8)) == 1
    assert requests.preprocessing.size_hw == (16, 16)
    # For still frames, whose predictions would be repeated.
    assert camera.has_successor and not requests.has_successor
    # It still describes the model of its own last answer.
    assert camera.preprocessing.size_hw == (8, 8)
    with pytest.raises(OutdatedPixelsError):
        camera.run(pixels_u8)
    assert len(camera.run(zeros(camera))) == 1
    assert not camera.has_successor


def test_a_model_that_takes_over_in_ones_own_turn_is_known_at_once():
    engine = Growing()
    handle = EngineHandle(engine, FairLock())
    engine.is_waiting = True
    with pytest.raises(OutdatedPixelsError):
        handle.run(zeros(handle))
    assert len(handle.run(zeros(handle))) == 1
