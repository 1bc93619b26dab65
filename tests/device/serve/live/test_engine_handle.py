"""One engine with two handles."""

from typing import Any

import numpy as np
import pytest

from corallite.device.engine.base import OutdatedPixelsError
from corallite.device.image.spec import Preprocessing
from corallite.device.serve.live.engine_handle import EngineHandle, FairLock


class Described:
    def __init__(self, size):
        self.preprocessing = Preprocessing((size, size))
        self.labels = ("cat",)


class Growing:
    """Each `renew` switches to a model of twice the size."""

    def __init__(self):
        self.manifest = Described(8)

    @property
    def preprocessing(self):
        return self.manifest.preprocessing

    def renew(self):
        self.manifest = Described(self.preprocessing.size_hw[0] * 2)

    def classify(self, image_rgb_u8):
        self.renew()
        return np.ones(1, np.float32)

    def run(self, pixels_u8):
        assert pixels_u8.shape[:2] == self.preprocessing.size_hw
        return np.ones(1, np.float32)


def zeros(handle):
    return np.zeros((*handle.preprocessing.size_hw, 3), np.uint8)


def test_pixels_for_a_model_replaced_through_another_handle_are_not_run():
    engine: Any = Growing()
    turn = FairLock()
    camera, requests = EngineHandle(engine, turn), EngineHandle(engine, turn)
    camera.renew()
    pixels_u8 = zeros(camera)
    assert camera.run(pixels_u8).size == 1
    requests.classify(pixels_u8)
    with pytest.raises(OutdatedPixelsError):
        camera.run(pixels_u8)
    camera.renew()
    assert camera.run(zeros(camera)).size == 1
