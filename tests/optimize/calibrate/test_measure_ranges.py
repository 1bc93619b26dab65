"""As many images are shown as the ranges need, and no more."""

import numpy as np

from corallite.optimize.calibrate.measure_ranges import measure_ranges
from corallite.optimize.quantize.add_quantizers import add_quantizers
from corallite.train.framework.keras import keras


def make_model():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return add_quantizers(keras.Model(image, x))


def test_it_stops_once_two_batches_have_moved_no_range(draw_clouds):
    same = np.tile(draw_clouds(50, 8, 8), (10, 1, 1, 1))
    measured = measure_ranges(make_model(), same)
    # The first sets the ranges, the second and third leave them where they are.
    assert measured.images == 150
    assert measured.has_settled
    assert measured.last_move < 1e-6


def test_ranges_that_keep_moving_take_all_images(draw_clouds):
    growing = draw_clouds(300, 8, 8) * np.linspace(0.1, 1, 300)[:, None, None, None]
    measured = measure_ranges(make_model(), growing.astype(np.float32))
    assert measured.images == 300
    assert not measured.has_settled
    assert measured.last_move > 0.02


def test_fewer_images_than_it_takes_are_all_shown(draw_clouds):
    measured = measure_ranges(make_model(), draw_clouds(60, 8, 8))
    assert measured.images == 60
    assert not measured.has_settled
