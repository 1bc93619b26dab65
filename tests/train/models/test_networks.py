"""What every network has to be, whatever its layers."""

import functools

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras
from corallite.train.models import (
    cost,
    efficientnet_lite,
    mobilenet_v2,
    registry,
    shufflenet_v2,
)
from corallite.train.models.channel_slice import ChannelSlice

# Trainable parameters at 224 pixels and 1,000 classes as published (torchvision's
# count for MobileNetV2, a published checkpoint's for EfficientNet-Lite0), and
# multiply-accumulates in millions from ShuffleNetV2's Table 8, MobileNetV2's Table 4
# and EfficientNet-Lite's page (tensorflow/tpu).
PUBLISHED = [
    ("shufflenet_v2", 0.5, 1_366_792, 41),
    ("shufflenet_v2", 1.0, 2_278_604, 146),
    ("shufflenet_v2", 1.5, 3_503_624, 299),
    ("shufflenet_v2", 2.0, 7_393_996, 591),
    ("mobilenet_v2", 1.0, 3_504_872, 300),
    ("efficientnet_lite0", 1.0, 4_652_008, 407),
]
# Thin ones, which build fast; 0.25 and 0.35 give odd numbers of channels.
SMALL = [
    ("shufflenet_v2", 0.25),
    ("shufflenet_v2", 0.5),
    ("mobilenet_v2", 0.35),
    ("efficientnet_lite0", 0.35),
]
SIDES = [32, 48, 64, 96, 128, 160, 224]
SIZES_HW = [(side, side) for side in SIDES] + [(32, 64), (96, 40), (120, 160)]
KNOWN_LAYERS = (
    ChannelSlice,
    keras.layers.Add,
    keras.layers.BatchNormalization,
    keras.layers.Concatenate,
    keras.layers.Conv2D,
    keras.layers.Dense,
    keras.layers.DepthwiseConv2D,
    keras.layers.Dropout,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.InputLayer,
    keras.layers.MaxPool2D,
    keras.layers.ReLU,
    keras.layers.Softmax,
)


@pytest.fixture(scope="module", params=SMALL, ids=lambda case: f"{case[0]}-{case[1]}")
def small(request):
    keras.utils.set_random_seed(0)
    name, width = request.param
    return registry.build(name, (32, 32, 3), 3, width=width)


@functools.lru_cache
def parameters_at(name, width):
    return cost.count_parameters(registry.build(name, (32, 32, 3), 3, width=width))


def random_images(count, side=32):
    return np.random.default_rng(0).random((count, side, side, 3), np.float32)


@pytest.mark.parametrize(("name", "width", "parameters", "macs_m"), PUBLISHED)
def test_cost_is_the_published_one(name, width, parameters, macs_m):
    model = registry.build(name, (224, 224, 3), 1000, width=width)
    assert cost.count_parameters(model) == parameters
    # ShuffleNetV2's table lies 0.8 to 1.3 % above the multiply-accumulates of its own
    # layers, whose parameters agree to the last one: about an operation more for every
    # value that a convolution puts out. MobileNetV2's is rounded to 1 %.
    # EfficientNet-Lite's page is 5.4 % above; its parameters agree, too.
    tolerance = 0.06 if name == "efficientnet_lite0" else 0.02
    assert cost.count_macs(model) / 1e6 == pytest.approx(macs_m, rel=tolerance)


def test_macs_are_counted_by_layer():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(5, 3, 2, padding="same", name="conv")(image)
    x = keras.layers.DepthwiseConv2D(3, padding="same", name="depthwise")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(image, keras.layers.Dense(7)(x))
    conv, depthwise, dense = 4 * 4 * 5 * 3 * 3 * 3, 4 * 4 * 5 * 3 * 3, 5 * 7
    assert cost.count_macs(model) == conv + depthwise + dense


def test_output_is_a_probability_for_each_class(small):
    probabilities = small(random_images(2)).numpy()
    assert probabilities.shape == (2, 3)
    assert probabilities.dtype == np.float32
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-6)


def test_graph_is_flat_and_of_known_layers(small):
    for layer in small.layers:
        assert type(layer) in KNOWN_LAYERS, layer
        assert len(layer.inbound_nodes) == 1, f"{layer.name} is used twice"


def test_layer_names_are_unique_and_meaningful(small):
    names = [layer.name for layer in small.layers]
    assert len(set(names)) == len(names)
    # Keras's own names number a kind of layer: conv2d_17.
    assert not [name for name in names if name.startswith(("conv2d", "re_lu", "batch"))]


def test_concatenations_have_at_most_five_inputs(small):
    joins = [x for x in small.layers if isinstance(x, keras.layers.Concatenate)]
    assert all(2 <= len(join.input) <= 5 for join in joins)


def test_it_is_the_same_after_saving_and_loading(small, tmp_path):
    small.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    images = random_images(2)
    np.testing.assert_array_equal(loaded(images), small(images))


@pytest.fixture
def without_repeats(monkeypatch):
    """Leaves out what repeats: it takes most of a build's time and shrinks nothing."""
    monkeypatch.setattr(shufflenet_v2, "STAGE_UNITS", (1, 1, 1))
    for network in (mobilenet_v2, efficientnet_lite):
        once = tuple((*row[:2], 1, *row[3:]) for row in network.STAGES)
        monkeypatch.setattr(network, "STAGES", once)


@pytest.mark.parametrize("size_hw", SIZES_HW, ids=lambda hw: f"{hw[0]}x{hw[1]}")
@pytest.mark.parametrize("name", registry.BUILDERS)
def test_final_feature_map_has_at_least_four_pixels_a_side(
    name, size_hw, without_repeats
):
    model = registry.build(name, (*size_hw, 3), 2, width=0.25)
    height, width = model.get_layer("last").output_shape[1:3]
    assert min(height, width) >= 4
    # Nor more than the published networks leave where they need not shrink less.
    assert min(height, width) <= 8


@pytest.mark.parametrize("name", registry.BUILDERS)
def test_published_size_ends_at_seven_pixels(name, without_repeats):
    model = registry.build(name, (224, 224, 3), 2, width=0.25)
    assert model.get_layer("last").output_shape[1:3] == (7, 7)


@pytest.mark.parametrize("width", [0.25, 0.35, 0.75])
@pytest.mark.parametrize("name", registry.BUILDERS)
def test_unpublished_widths_lie_between_the_published(name, width, without_repeats):
    narrower = {0.25: 0.2, 0.35: 0.25, 0.75: 0.35}[width]
    counts = [parameters_at(name, w) for w in (narrower, width, 1.0)]
    assert counts == sorted(set(counts))


@pytest.mark.parametrize("name", registry.BUILDERS)
@pytest.mark.parametrize(
    ("shape", "num_classes", "width", "argument"),
    [
        ((31, 32, 3), 3, 1.0, "input_shape"),
        ((32, 32, 1), 3, 1.0, "input_shape"),
        ((32, 32), 3, 1.0, "input_shape"),
        ((32, 32, 3), 1, 1.0, "num_classes"),
        ((32, 32, 3), 3, 0.0, "width"),
        ((32, 32, 3), 3, -1.0, "width"),
        ((32, 32, 3), 3, float("nan"), "width"),
        ((32, 32, 3), 3, float("inf"), "width"),
    ],
)
def test_bad_arguments_are_named(name, shape, num_classes, width, argument):
    with pytest.raises(ValueError, match=f"Expected `{argument}`"):
        registry.BUILDERS[name](shape, num_classes, width=width)
    with pytest.raises(RequestError, match=f"Expected `{argument}`"):
        registry.build(name, shape, num_classes, width=width)


def test_an_unknown_network_is_told_the_known_ones():
    with pytest.raises(RequestError, match="mobilenet_v2, shufflenet_v2, got 'vgg'"):
        registry.build("vgg", (32, 32, 3), 3, width=1.0)


@pytest.mark.parametrize("name", registry.BUILDERS)
def test_dropout_is_one_layer_before_the_logits(name, without_repeats):
    model = registry.BUILDERS[name]((32, 32, 3), 3, width=0.25, dropout=0.3)
    assert model.get_layer("dropout").rate == 0.3
    without = registry.BUILDERS[name]((32, 32, 3), 3, width=0.25, dropout=0.0)
    assert "dropout" not in [layer.name for layer in without.layers]


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.BUILDERS)
def test_tfmot_quantizes_it(name, without_repeats):
    from tensorflow_model_optimization.quantization import keras as tfmot

    class NoQuantization(tfmot.QuantizeConfig):
        def get_weights_and_quantizers(self, layer):
            return []

        get_activations_and_quantizers = get_weights_and_quantizers
        get_output_quantizers = get_weights_and_quantizers

        def set_quantize_weights(self, layer, values):
            pass

        set_quantize_activations = set_quantize_weights

        def get_config(self):
            return {}

    def annotate(layer):
        config = NoQuantization() if isinstance(layer, ChannelSlice) else None
        return tfmot.quantize_annotate_layer(layer, config)

    model = registry.build(name, (32, 32, 3), 3, width=0.25)
    with tfmot.quantize_scope({"NoQuantization": NoQuantization}):
        annotated = keras.models.clone_model(model, clone_function=annotate)
        quantized = tfmot.quantize_apply(annotated)
    assert quantized(random_images(1)).shape == (1, 3)
