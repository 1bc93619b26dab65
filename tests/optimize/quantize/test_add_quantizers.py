"""A quantization-aware model answers as its float one, and keeps its zeros."""

import functools

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.keras_graph.quantizers import FixedRange
from corallite.optimize.keras_graph.shared_range import SharedRange
from corallite.optimize.quantize.add_quantizers import is_quantized, quantize
from corallite.optimize.quantize.concatenations import SHARED_RANGES
from corallite.train.framework.keras import keras
from corallite.train.training.model_file import save_model

NAMES = ("shufflenet_v2", "mobilenet_v2")


def small_model(*, joined=keras.layers.ReLU, limit=6.0):
    """Every kind of kernel, a concatenation and a dropout, in a second.

    Two tensors are joined: a ReLU's with this limit, and one that `joined` ends.
    """
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(8, 3, use_bias=False, name="conv")(image)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.ReLU(limit, name="relu")(x)
    y = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    if joined:
        y = joined(limit, name="other")(y)
    x = keras.layers.Concatenate(name="join")([x, y])
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dropout(0.5)(x)
    x = keras.layers.Dense(3, name="logits")(x)
    return keras.Model(image, keras.layers.Softmax()(x))


@pytest.fixture
def clouds(draw_clouds):
    return draw_clouds(20, 8, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_before_any_training_it_answers_as_the_float_model(
    networks, quantized_networks, square_images, name
):
    expected = networks[name](square_images).numpy()
    answers = quantized_networks[name](square_images).numpy()
    assert is_quantized(quantized_networks[name])
    assert not is_quantized(networks[name])
    # Eight bits over some 20 layers move a probability by a percent or two; a range
    # that is not set yet, or wrong, moves them all to the same.
    assert np.abs(answers - expected).mean() < 0.03
    assert np.mean(answers.argmax(1) == expected.argmax(1)) > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_zeros_stay_through_training_saving_and_training(
    sparse_networks, trained_networks, name
):
    for layer in sparse_networks[name].layers:
        for weight in layer.weights:
            if not weight.name.endswith("kernel:0"):
                continue
            wrapper = trained_networks[name].get_layer(f"quant_{layer.name}")
            (kernel,) = (w for w in wrapper.weights if w.name.endswith("kernel:0"))
            zeros = weight.numpy() == 0
            assert np.all(kernel.numpy()[zeros] == 0), layer.name
            # The rest has moved on.
            assert np.mean(kernel.numpy()[~zeros] == 0) < 0.01, layer.name


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_a_reloaded_model_answers_the_same(
    quantized_networks, square_images, name, tmp_path
):
    model = quantized_networks[name]
    save_model(model, tmp_path / "model.h5")
    loaded = load_model(tmp_path / "model.h5")
    np.testing.assert_array_equal(
        loaded(square_images).numpy(), model(square_images).numpy()
    )


def test_all_that_meets_in_a_concatenation_has_one_range(quantized_networks):
    model = quantized_networks["shufflenet_v2"]
    joins = [x for x in model.layers if isinstance(x, keras.layers.Concatenate)]
    assert len(joins) > 5
    for join in joins:
        for source in join.inbound_nodes[0].inbound_layers:
            while not source.name.startswith("quant_"):
                if isinstance(source, keras.layers.Concatenate):
                    break  # It is in `joins` itself.
                source = source.inbound_nodes[0].inbound_layers
            else:
                output = source.quantize_config.output
                assert isinstance(output, FixedRange)
                assert (output.minimum, output.maximum) == (0, 6)


def test_the_argument_is_not_changed(clouds):
    model = small_model()
    before = model.get_weights()
    expected = model(clouds).numpy()
    quantized = quantize(model, clouds)
    quantized.set_weights([weight * 0 for weight in quantized.get_weights()])
    for weight, former in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, former)
    np.testing.assert_array_equal(model(clouds).numpy(), expected)


def test_ranges_are_measured_without_dropout(clouds):
    first, second = (quantize(model, clouds) for model in [small_model()] * 2)
    for weight, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, other)
    (dropout,) = (x for x in first.layers if isinstance(x, keras.layers.Dropout))
    assert dropout.rate == 0.5


def test_an_unknown_layer_is_named(clouds):
    image = keras.Input((8, 8, 3))
    x = keras.layers.LayerNormalization(name="scale")(image)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    message = "Layer 'scale' is a LayerNormalization, which cannot be quantized"
    with pytest.raises(RequestError, match=message):
        quantize(model, clouds)


def test_a_transposed_convolution_is_not_taken_for_a_convolution(clouds):
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2DTranspose(4, 2, 2)(image)
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    with pytest.raises(RequestError, match="is a Conv2DTranspose"):
        quantize(model, clouds)


@pytest.mark.parametrize("kind", SHARED_RANGES)
def test_joined_tensors_are_rounded_alike(clouds, kind):
    model = small_model()
    quantized = quantize(model, clouds, shared_range=kind)
    join = quantized.get_layer("join")
    joined = keras.Model(quantized.input, join.input)(clouds)
    highest = max(tensor.numpy().max() for tensor in joined)
    if kind == "fixed":
        highest = 6.0
    for tensor in joined:
        steps = tensor.numpy() / (highest / 255)
        # Float32 holds 7 digits of up to 255 steps.
        np.testing.assert_allclose(steps, np.round(steps), atol=1e-3)
    # The kernels' rounding, 1/254 of the largest weight of 27, in every layer.
    expected = keras.Model(model.input, model.get_layer("join").output)(clouds)
    np.testing.assert_allclose(np.concatenate(joined, -1), expected, atol=0.05)


def test_by_default_relu6_has_a_fixed_range_and_relu_a_calibrated_one(clouds):
    counts = {}
    for limit in (6.0, None):
        layers = quantize(small_model(limit=limit), clouds).layers
        counts[limit] = sum(isinstance(x, SharedRange) for x in layers)
    assert counts == {6.0: 0, None: 1}


def test_tensors_below_zero_can_be_joined(clouds):
    model = small_model(joined=None)
    quantized = quantize(model, clouds)
    # Eight bits in five layers.
    np.testing.assert_allclose(quantized(clouds), model(clouds), atol=0.02)
    joined = keras.Model(quantized.input, quantized.get_layer("join").input)(clouds)
    lowest, highest = (f(tuple(map(f, joined))) for f in (np.min, np.max))
    assert lowest < 0
    # Zero must be a step, so that the range is moved by up to half of one: what was
    # seen spans all 255 steps of it, or one less.
    errors = []
    for count in (254, 255):
        steps = np.array(joined) / ((highest - lowest) / count)
        errors.append(np.abs(steps - np.round(steps)).max())
    assert min(errors) < 0.01


@pytest.mark.parametrize("kind", SHARED_RANGES)
def test_a_calibrated_range_moves_in_training_and_a_fixed_one_does_not(
    clouds, kind, tmp_path
):
    quantized = quantize(small_model(), clouds, shared_range=kind)
    save_model(quantized, tmp_path / "before.h5")
    before = keras.Model(quantized.input, quantized.get_layer("join").input)(clouds)
    quantized.compile(keras.optimizers.SGD(0.1), "categorical_crossentropy")
    quantized.fit(clouds, np.eye(3)[np.arange(20) % 3], batch_size=10, verbose=0)
    ranges = [x for x in quantized.layers if isinstance(x, SharedRange)]
    assert len(ranges) == (kind != "fixed")
    loaded = load_model(tmp_path / "before.h5")
    again = keras.Model(loaded.input, loaded.get_layer("join").input)(clouds)
    for tensor, former in zip(again, before, strict=True):
        np.testing.assert_array_equal(tensor, former)
    for layer in ranges:
        former = loaded.get_layer(layer.name)
        assert layer.trainable_weights == []
        assert layer.limits() != former.limits()


def test_a_frozen_layer_is_not_trained(clouds):
    model = small_model()
    frozen = {"conv", "depthwise"}
    for name in frozen:
        model.get_layer(name).trainable = False
    quantized = quantize(model, clouds)
    layers = [quantized.get_layer(f"quant_{name}") for name in sorted(frozen)]
    before = [layer.get_weights() for layer in layers]
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, weight_decay=0.1)
    quantized.compile(optimizer, "categorical_crossentropy")
    quantized.fit(clouds, np.eye(3)[np.arange(20) % 3], verbose=0)
    for layer, weights in zip(layers, before, strict=True):
        assert layer.trainable_weights == []
        for weight, former in zip(layer.weights, weights, strict=True):
            if "kernel:0" in weight.name or "bias:0" in weight.name:
                np.testing.assert_array_equal(weight.numpy(), former)


def test_an_unknown_kind_of_shared_range_names_the_known_ones(clouds):
    message = "one of fixed, calibrated, got 'free'"
    with pytest.raises(RequestError, match=message):
        quantize(small_model(), clouds, shared_range="free")


@pytest.mark.parametrize(
    ("joined", "limit", "message"),
    [
        (None, 6.0, "'depthwise' is concatenated .* fixed .* only .* ReLU\\(6.0\\)"),
        (keras.layers.ReLU, None, "'relu' is concatenated"),
    ],
)
def test_a_fixed_range_refuses_other_layers_than_relu6(clouds, joined, limit, message):
    model = small_model(joined=joined, limit=limit)
    with pytest.raises(RequestError, match=message):
        quantize(model, clouds, shared_range="fixed")


def test_a_leaky_relu_has_no_fixed_range(clouds):
    joined = functools.partial(keras.layers.ReLU, negative_slope=0.1)
    with pytest.raises(RequestError, match="'other' is concatenated"):
        quantize(small_model(joined=joined), clouds, shared_range="fixed")


def test_joining_the_image_itself_is_refused(clouds):
    image = keras.Input((8, 8, 3), name="image")
    x = keras.layers.Concatenate()([image, keras.layers.Conv2D(4, 1)(image)])
    model = keras.Model(image, keras.layers.GlobalAveragePooling2D()(x))
    with pytest.raises(RequestError, match="'image' is concatenated with others"):
        quantize(model, clouds)
