"""What every network has to be, whatever its layers."""

import dataclasses
import functools
from pathlib import Path

import numpy as np
import pytest

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras
from corallite.train.models import cost, registry
from corallite.train.models.channel_slice import ChannelSlice
from corallite.train.models.hard_swish import HardSwish
from corallite.train.models.networks import (
    efficientnet_lite,
    ghostnet,
    mobilenet_v2,
    mobilenet_v3,
    resnet,
    shufflenet_v2,
)

PUBLISHED = [(x, cost) for x in registry.NETWORKS.values() for cost in x.published]
DOCUMENT = Path(__file__).parents[3] / "docs/train.md"
# Thin ones, which build fast; 0.25 and 0.35 give odd numbers of channels.
SMALL = [
    ("shufflenet_v2", 0.25),
    ("shufflenet_v2", 0.5),
    ("mobilenet_v2", 0.35),
    ("efficientnet_lite0", 0.35),
    ("mobilenet_v3_small", 0.25),
    ("mobilenet_v3_small_minimalistic", 0.25),
    ("ghostnet", 0.25),
    ("mobilenet_v2_ghost", 0.35),
    ("shufflenet_v2_ghost", 0.25),
    ("resnet8", 1.0),
    ("resnet18", 0.125),
    ("resnet50", 0.125),
]
# One of each kind, for tests that take long; the others differ in numbers only.
KINDS = [
    x
    for x in registry.NETWORKS
    if x
    not in (
        "efficientnet_lite1",
        "efficientnet_lite2",
        "mobilenet_v2_ghost",
        "mobilenet_v3_large",
        "mobilenet_v3_large_minimalistic",
        "resnet18",
        "resnet34",
    )
]
SHRINKING_LESS = [x for x in KINDS if registry.NETWORKS[x].shrinks_less]
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
    keras.layers.Multiply,
    keras.layers.ReLU,
    keras.layers.Rescaling,
    keras.layers.Softmax,
    HardSwish,
)
# tfmot has no quantizer of its own for these.
UNKNOWN_TO_TFMOT = (
    ChannelSlice,
    HardSwish,
    keras.layers.Multiply,
    keras.layers.Rescaling,
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


@pytest.mark.parametrize(
    ("entry", "published"), PUBLISHED, ids=lambda x: getattr(x, "name", None)
)
def test_cost_is_the_published_one(entry, published):
    shape = (published.side, published.side, 3)
    model = entry.build(shape, published.classes, width=published.width)
    assert cost.count_parameters(model) == published.parameters
    macs_m = cost.count_macs(model) / 1e6
    assert macs_m == pytest.approx(published.macs_m, rel=published.tolerance)


@pytest.mark.parametrize("entry", registry.NETWORKS.values(), ids=registry.NETWORKS)
def test_documents_name_every_network(entry):
    assert f"`{entry.name}`" in DOCUMENT.read_text("utf-8")


def test_a_configuration_sets_the_width_of_one_block(without_repeats):
    config = mobilenet_v2.configure(0.25)
    wider = dataclasses.replace(config.stages[2][0], expanded=56)
    stages = (*config.stages[:2], (wider,), *config.stages[3:])
    config = dataclasses.replace(config, stages=stages)
    model = mobilenet_v2.mobilenet_v2((32, 32, 3), 2, config=config)
    assert model.get_layer("stage3_block0_expand").filters == 56


def test_a_configuration_sets_the_width_inside_one_unit(without_repeats):
    config = shufflenet_v2.configure(0.25)
    narrow = dataclasses.replace(config.stages[0], units=(7,))
    config = dataclasses.replace(config, stages=(narrow, *config.stages[1:]))
    model = shufflenet_v2.shufflenet_v2((32, 32, 3), 2, config=config)
    assert model.get_layer("stage2_unit0_branch_in").filters == 7


@pytest.mark.parametrize("name", ["mobilenet_v2", "shufflenet_v2"])
def test_a_ghost_variant_has_half_the_cost_inside_its_blocks(name):
    plain, ghost = (
        registry.build(x, (224, 224, 3), 2, width=1.0) for x in (name, f"{name}_ghost")
    )
    # A Ghost module of n inputs and m outputs has m / 2 * (n + 9) weights for n * m.
    # All else is equal: stem, depthwise convolutions, last convolution, head.
    halved = [x for x in plain.layers if getattr(x, "kernel_size", 0) == (1, 1)]
    saved = 0
    for layer in halved:
        if layer.name != "last":
            inputs, outputs = layer.kernel.shape[2:]
            saved += inputs * outputs - (-(-outputs // 2) * inputs + outputs // 2 * 9)
    found = cost.count_parameters(plain) - cost.count_parameters(ghost)
    assert found == saved
    assert cost.count_macs(ghost) < 0.7 * cost.count_macs(plain)


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


@pytest.mark.parametrize(("name", "width"), SMALL)
def test_it_is_the_same_after_saving_and_loading(name, width, few_units, tmp_path):
    with few_units(shufflenet=(1, 2, 1)):
        model = registry.build(name, (32, 32, 3), 3, width=width)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", compile=False)
    images = random_images(2)
    np.testing.assert_array_equal(loaded(images), model(images))


@pytest.fixture
def without_repeats(monkeypatch):
    """Leaves out what repeats: it takes most of a build's time and shrinks nothing."""
    monkeypatch.setattr(shufflenet_v2, "STAGE_UNITS", (1, 1, 1))
    tables = {"LARGE": mobilenet_v3, "SMALL": mobilenet_v3, "STAGES": ghostnet}
    for name, network in tables.items():
        once = tuple(stage[:1] for stage in getattr(network, name))
        monkeypatch.setattr(network, name, once)
    for name, repeats in resnet.REPEATS.items():
        monkeypatch.setitem(resnet.REPEATS, name, (1,) * len(repeats))
    for network in (mobilenet_v2, efficientnet_lite):
        once = tuple((*row[:2], 1, *row[3:]) for row in network.STAGES)
        monkeypatch.setattr(network, "STAGES", once)


@pytest.mark.parametrize("size_hw", SIZES_HW, ids=lambda hw: f"{hw[0]}x{hw[1]}")
@pytest.mark.parametrize("name", SHRINKING_LESS)
def test_final_feature_map_has_at_least_four_pixels_a_side(
    name, size_hw, without_repeats
):
    model = registry.build(name, (*size_hw, 3), 2, width=0.25)
    height, width = model.get_layer("pool").input_shape[1:3]
    assert min(height, width) >= 4
    # Nor more than the published networks leave where they need not shrink less.
    assert min(height, width) <= 8


@pytest.mark.parametrize(
    ("name", "side"),
    [
        *((x, 7) for x in registry.NETWORKS if x != "resnet8"),
        ("resnet8", 56),  # It is published for 32 pixels.
    ],
)
def test_published_size_ends_at_seven_pixels(name, side, without_repeats):
    model = registry.build(name, (224, 224, 3), 2, width=0.25)
    assert model.get_layer("pool").input_shape[1:3] == (side, side)


@pytest.mark.parametrize(("name", "side"), [("resnet8", 8), ("resnet18", 1)])
def test_a_resnet_shrinks_a_small_image_as_published(name, side, without_repeats):
    model = registry.build(name, (32, 32, 3), 2, width=0.25)
    assert model.get_layer("pool").input_shape[1:3] == (side, side)


@pytest.mark.parametrize("width", [0.25, 0.35, 0.75])
@pytest.mark.parametrize("name", registry.NETWORKS)
def test_unpublished_widths_lie_between_the_published(name, width, without_repeats):
    narrower = {0.25: 0.2, 0.35: 0.25, 0.75: 0.35}[width]
    counts = [parameters_at(name, w) for w in (narrower, width, 1.0)]
    assert counts == sorted(set(counts))


@pytest.mark.parametrize("name", registry.NETWORKS)
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
        registry.NETWORKS[name].build(shape, num_classes, width=width)
    with pytest.raises(RequestError, match=f"Expected `{argument}`"):
        registry.build(name, shape, num_classes, width=width)


def test_an_unknown_network_names_the_known_ones():
    with pytest.raises(RequestError, match="mobilenet_v2, .*shufflenet_v2, got 'vgg'"):
        registry.build("vgg", (32, 32, 3), 3, width=1.0)


@pytest.mark.parametrize("name", registry.NETWORKS)
def test_dropout_is_one_layer_before_the_logits(name, without_repeats):
    model = registry.NETWORKS[name].build((32, 32, 3), 3, width=0.25, dropout=0.3)
    assert model.get_layer("dropout").rate == 0.3
    without = registry.NETWORKS[name].build((32, 32, 3), 3, width=0.25, dropout=0.0)
    assert "dropout" not in [layer.name for layer in without.layers]


@pytest.mark.slow
@pytest.mark.parametrize("name", KINDS)
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
        config = NoQuantization() if isinstance(layer, UNKNOWN_TO_TFMOT) else None
        return tfmot.quantize_annotate_layer(layer, config)

    model = registry.build(name, (32, 32, 3), 3, width=0.25)
    with tfmot.quantize_scope({"NoQuantization": NoQuantization}):
        annotated = keras.models.clone_model(model, clone_function=annotate)
        quantized = tfmot.quantize_apply(annotated)
    assert quantized(random_images(1)).shape == (1, 3)
