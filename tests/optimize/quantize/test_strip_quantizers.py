"""The float model inside a quantized one, and what correcting its biases does."""

import numpy as np
import pytest

from corallite.optimize.quantize.add_quantizers import quantize
from corallite.optimize.quantize.bias_correction import correct_biases
from corallite.optimize.quantize.strip_quantizers import strip_quantizers
from corallite.train.framework.keras import keras


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shufflenet_v2", "mobilenet_v2"])
def test_it_computes_what_was_quantized(
    networks, quantized_networks, square_images, name
):
    stripped = strip_quantizers(quantized_networks[name])
    # Batch norms are folded: the same sums in another order.
    np.testing.assert_allclose(
        stripped(square_images), networks[name](square_images), atol=1e-5
    )
    names = {layer.name for layer in networks[name].layers}
    assert {layer.name for layer in stripped.layers} <= names


def test_correcting_biases_takes_the_mean_error_away(draw_clouds):
    # One weight sets the scale of the whole kernel, and all others, which are positive
    # and a third of a step, are rounded to zero: an error of one sign.
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, name="conv")(image)
    x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(4, name="dense")(x))
    kernel = np.full((3, 3, 3, 8), 1 / 127 / 3, np.float32)
    kernel[0, 0, 0] = 1
    model.get_layer("conv").set_weights([kernel, np.zeros(8)])
    images = draw_clouds(60, 8, 8)
    quantized = quantize(model, images)
    before = np.abs(np.mean(quantized(images) - model(images), axis=0))
    correct_biases(quantized, images)
    after = np.abs(np.mean(quantized(images) - model(images), axis=0))
    # What is left is the rounding of the outputs: a step of 1/255 of their range.
    assert after.max() < 0.2 * before.max()
