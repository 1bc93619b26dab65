"""What ranges must not be measured on is refused, and the reason is the right one."""

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.optimize.calibrate.check_images import check_images
from corallite.optimize.calibrate.choose_images import choose_checked_images
from corallite.optimize.quantize.add_quantizers import quantize
from corallite.train.data.load import Split
from corallite.train.framework.keras import keras


@pytest.fixture
def photos(square_images):
    return square_images


def noise(count=50, side=32):
    return np.random.default_rng(0).random((count, side, side, 3), np.float32)


def test_photos_pass_and_so_do_a_few_of_them(photos, draw_clouds):
    check_images(photos)
    check_images(photos, photos)
    check_images(photos[:4], photos)
    check_images(draw_clouds(20, 8, 8))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x: 255 * x, "from 0 to 255|from .* to 2.., but .*pixel/255"),
        (lambda x: 2 * x - 1, "from -.* but the model was trained with pixel/255"),
        (lambda x: x / 255, "from .* to 0.00.*pixel/255"),
        (lambda x: np.where(x > 0.5, np.nan, x), "not finite"),
        (lambda x: np.repeat(x[:1], 50, axis=0), "The 50 .* are nearly the same"),
        (lambda x: x[:1], "The 1 representative images are nearly"),
        (lambda x: noise(), "are noise: their spatial correlation is -?0.0"),
        (lambda x: 0.5 + 0.1 * noise(), "are noise"),
    ],
    ids="255 signed twice nan repeated single noise faint_noise".split(),
)
def test_images_that_cannot_be_photos_are_refused(photos, spoil, message):
    with pytest.raises(RequestError, match=message):
        check_images(spoil(photos).astype(np.float32))


def test_one_scene_with_the_noise_of_a_camera_is_one_image(photos):
    steps = np.random.default_rng(0).normal(0, 2, (50, 32, 32, 3)) / 255
    still = np.clip(photos[:1] + steps, 0, 1).astype(np.float32)
    with pytest.raises(RequestError, match="nearly the same: they differ by [12]"):
        check_images(still)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda x: 0.3 * x, "another range than the training's: their mean is"),
        (lambda x: 0.7 + 0.3 * x, "another range"),
        (lambda x: np.repeat(x[:2], 20, axis=0) * 0.2 + x[:1] * 0.8, "their variety"),
    ],
)
def test_images_unlike_those_of_the_training_are_refused(photos, spoil, message):
    images = spoil(photos).astype(np.float32)
    check_images(images)
    with pytest.raises(RequestError, match=message):
        check_images(images, photos)


def test_bytes_and_other_shapes_are_refused(photos):
    with pytest.raises(TypeError, match=r"floats, pixel/255, got uint8; divide"):
        check_images((255 * photos).astype(np.uint8))
    with pytest.raises(ValueError, match=r"of shape \[n, height.*got \[32, 32, 3\]"):
        check_images(photos[0])
    with pytest.raises(ValueError, match=r"got \[0, 32, 32, 3\]"):
        check_images(photos[:0])


def test_a_model_is_not_quantized_by_noise_or_by_images_of_another_size(photos):
    image = keras.Input((32, 32, 3))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Conv2D(2, 1)(image))
    model = keras.Model(image, x)
    with pytest.raises(RequestError, match="are noise"):
        quantize(model, noise())
    with pytest.raises(ValueError, match=r"\[32, 32, 3\], .* got \[16, 32, 3\]"):
        quantize(model, photos[:, ::2])


def test_a_training_part_of_one_image_is_refused():
    split = Split(np.full((9, 4, 4, 3), 7, np.uint8), np.arange(9) % 3, ("",) * 9)
    with pytest.raises(RequestError, match="The 1 representative images"):
        choose_checked_images(split)
