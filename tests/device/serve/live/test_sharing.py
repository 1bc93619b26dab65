"""One engine for two users."""

from typing import Any

import numpy as np
import pytest

from corallite.device.engine.base import OutdatedPixelsError
from corallite.device.image.spec import Preprocessing
from corallite.device.serve.live.sharing import FairLock, Share


class Described:
    def __init__(self, size):
        self.preprocessing = Preprocessing((size, size))
        self.labels = ("cat",)


class Growing:
    """Another model, of another size, takes over with each renewal."""

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


def zeros(share):
    return np.zeros((*share.preprocessing.size_hw, 3), np.uint8)


def test_pixels_for_a_model_that_the_other_user_has_replaced_are_not_run():
    engine: Any = Growing()
    turn = FairLock()
    camera, requests = Share(engine, turn), Share(engine, turn)
    camera.renew()
    pixels_u8 = zeros(camera)
    assert camera.run(pixels_u8).size == 1
    requests.classify(pixels_u8)
    with pytest.raises(OutdatedPixelsError):
        camera.run(pixels_u8)
    camera.renew()
    assert camera.run(zeros(camera)).size == 1
