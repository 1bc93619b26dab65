"""The gate: what holds, what does not, and what is said then."""

import json

import pytest

from corallite.convert.accuracy.gate import AccuracyLostError, Parity
from corallite.convert.accuracy.gate_text import format_loss, format_parity
from corallite.convert.accuracy.layer_error import LayerError
from corallite.convert.accuracy.paired import Hop


def make_parity(difference, method="ptq", changes=(None, None), granularity="channel"):
    hop = Hop("float", "int8", 0.9, 0.9 + difference, difference, (-0.1, 0.1), 0.95)
    first = Hop("float", method, 0.9, 0.9, 0.0, (-0.1, 0.1), 0.95)
    layers = [
        LayerError("stage2_unit0_branch_depthwise_wide", 0.5, 0.6, 0.7, changes[0]),
        LayerError("stem", 0.001, 0.002, 0.999, changes[1]),
    ]
    return Parity(
        part="val",
        images=200,
        method=method,
        granularity=granularity,
        max_drop=1.0,
        hops=[first, hop],
        overall=hop,
        layer_images=100,
        layers=layers,
        file_sha256="0" * 64,
    ).with_limit(None)


def test_exactly_the_limit_holds():
    make_parity(-0.01).check()
    make_parity(-0.005, "qat").check()
    make_parity(0.05).check()


@pytest.mark.parametrize(
    ("parity", "message"),
    [
        (
            make_parity(-0.015),
            r"int8 \(ptq\) is 1.50 points below float .*--max_drop=1. Worst layers: "
            "stage2_unit0_branch_depthwise_wide, stem. Try quantization-aware .*"
            "calibration_count",
        ),
        (make_parity(-0.01, "qat"), "max_drop=0.5.*longer `corallite quantize`"),
        (make_parity(-0.02, granularity="tensor"), "Try a scale a channel"),
        (
            make_parity(-0.02, "qat", changes=(0.1, 1000.0)),
            "Changed most since the float model: stem. Make the stage again",
        ),
    ],
)
def test_more_is_refused_with_layers_and_remedy(parity, message):
    with pytest.raises(AccuracyLostError, match=message) as caught:
        parity.check()
    assert caught.value.parity == parity
    lines = format_loss(caught.value).splitlines()
    assert "NOT HELD" in lines[0]
    assert max(map(len, lines)) <= 80


def test_a_wider_limit_holds():
    make_parity(-0.02).with_limit(2.0).check()


def test_text_fits_80_columns_and_has_every_hop():
    text = format_parity(make_parity(-0.004))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert "0.40 points below float, 1 allowed: held" in lines[0]
    assert "float -> ptq" in text and "float -> int8" in text
    assert "stage2_unit0_branch_depthwise_wide" in text


def test_parity_survives_json():
    parity = make_parity(-0.02)
    content = json.loads(json.dumps(parity.to_json()))
    assert content["held"] is False
    assert content["layers"][0]["layer"] == "stage2_unit0_branch_depthwise_wide"
    assert Parity.from_json(content) == parity
