"""Memory on the Edge TPU, compared with compiled files and logs."""

import pytest

from corallite.convert.edgetpu.predict.compilers import COMPILERS
from corallite.convert.edgetpu.predict.memory import layer_bytes
from corallite.convert.edgetpu.predict.prediction import predict
from corallite.convert.edgetpu.predict.prediction_text import format_memory
from corallite.convert.tflite.reader import decode

MIB = 1 << 20


def measured(writer, **options):
    return predict(decode(writer.content()), **options).parameters


def test_a_public_network_has_the_bytes_of_its_executable(writer):
    """Jorgitou98/EdgeTPU-QuantRL-Evaluation, model_size_channel32: 104,640 bytes."""
    x = writer.conv(writer.input((1, 32, 32, 3)), 32, (3, 3))
    x = writer.conv(x, 32, (3, 3))
    writer.conv(writer.conv(x, 64, (3, 3)), 64, (3, 3))
    # After pooling in the original.
    x = writer.dense(writer.input((1, 2304)), 10)
    writer.operator("SOFTMAX", [x], None, version=2)
    # 48 bytes per class of the softmax are rounded.
    assert measured(writer).on_chip == pytest.approx(104_640, abs=64)


def test_a_softmax_of_many_classes_has_parameter_bytes(writer):
    """48,256 bytes of 1001 classes, in three MobileNetV1 that Coral recompiled."""
    writer.operator("SOFTMAX", [writer.input((1, 1001))], None, version=2)
    assert measured(writer).on_chip == pytest.approx(48_256, rel=0.005)
    assert measured(writer, compiler="15.0").on_chip == 0


@pytest.mark.parametrize(
    ("filters", "on_chip_mib", "streamed_mib"),
    [
        (442, 6.86, 0),
        (452, 5.99, 1.99),
        (512, 6.78, 2.25),
        (522, 5.21, 5.19),
        (632, 6.98, 6.95),
        (642, 3.93, 11.69),
    ],
)
def test_layers_are_cached_as_the_compiler_caches_them(
    writer, filters, on_chip_mib, streamed_mib
):
    """The same repository, five convolutions of growing width, compiler 16."""
    x = writer.conv(writer.input((1, 64, 64, 3)), filters, (3, 3))
    for _ in range(4):
        x = writer.conv(x, filters, (3, 3))
    parameters = measured(writer)
    # The numbers are given with two digits.
    assert parameters.on_chip / MIB == pytest.approx(on_chip_mib, abs=0.006)
    assert parameters.streamed / MIB == pytest.approx(streamed_mib, abs=0.006)
    assert parameters.fit is (streamed_mib == 0)


@pytest.mark.parametrize(
    ("side", "filters", "capacity"),
    [
        # 5 kernels of 384 filters are 5.1 MiB, of 442 they are 6.9.
        (64, 384, "they fit"),
        (64, 442, "they may just fit"),
        (64, 452, "they do not all fit"),
        # Networks with large activations streamed when 0.6 to 3 MiB were cached.
        (256, 384, "they may just fit"),
    ],
)
def test_near_the_capacity_or_with_large_activations_it_may_not_fit(
    writer, side, filters, capacity
):
    x = writer.conv(writer.input((1, side, side, 3)), filters, (3, 3))
    for _ in range(4):
        x = writer.conv(x, filters, (3, 3))
    prediction = predict(decode(writer.content()))
    text = " ".join(" ".join(format_memory(prediction)).split())
    assert f": {capacity} (" in text


@pytest.mark.parametrize(("inputs", "streamed"), [(5_904, False), (9_504, True)])
def test_a_dense_layer_with_many_inputs_is_streamed(writer, inputs, streamed):
    writer.dense(writer.input((1, inputs)), 10)
    assert measured(writer).fit is not streamed


def test_few_outputs_take_less_than_is_reserved(writer):
    writer.conv(writer.input(), 20)
    parameters = measured(writer)
    assert parameters.on_chip == (4 + 8) * 32
    assert parameters.reserved == (4 + 8) * 64


@pytest.mark.parametrize(("compiler", "factor"), [("1.0", 3), ("16.0", 4)])
def test_depthwise_weights_take_three_or_four_bytes(writer, compiler, factor):
    x = writer.input((1, 8, 8, 100), "UINT8")
    weights = writer.tensor((1, 3, 3, 100), "UINT8", data=1)
    writer.operator("DEPTHWISE_CONV_2D", [x, weights], None, "UINT8")
    operator = decode(writer.content()).main.operators[0]
    expected = (factor * 9 + 8) * 128
    assert layer_bytes(operator, COMPILERS[compiler]) == expected


def test_only_mapped_operators_take_memory(writer):
    x = writer.conv(writer.input(), 64)
    x = writer.operator("HARD_SWISH", [x], None)
    writer.conv(x, 64)
    assert measured(writer).on_chip == (4 + 8) * 64
    both = measured(writer, multiple_subgraphs=True)
    assert both.on_chip == (4 + 8) * 64 + (64 + 8) * 64


def test_activations_are_counted_per_tile(writer):
    x = writer.input((1, 64, 64, 375))
    writer.conv(x, 374)
    prediction = predict(decode(writer.content()))
    # Channels in fours; the compiled file of such a network says 192,544.
    assert prediction.activation_bytes_per_tile == 2 * 64 * 64 * 376 // 16
    assert prediction.activation_bytes_per_tile == pytest.approx(192_544, rel=0.001)
