"""The accuracy gate: what passes, what does not, and the message then."""

import json

import pytest

from corallite.convert.accuracy.gate import (
    AccuracyComparison,
    AccuracyLostError,
    LayerError,
)
from corallite.convert.accuracy.gate_text import format_comparison
from corallite.convert.accuracy.paired import Step


def make_comparison(
    difference, method="ptq", changes=(None, None), granularity="channel"
):
    step = Step("float", "int8", 0.9, 0.9 + difference, difference, (-0.1, 0.1), 0.95)
    first = Step("float", method, 0.9, 0.9, 0.0, (-0.1, 0.1), 0.95)
    layers = [
        LayerError("stage2_unit0_branch_depthwise_wide", 0.5, 0.6, 0.7, changes[0]),
        LayerError("stem", 0.001, 0.002, 0.999, changes[1]),
    ]
    return AccuracyComparison(
        part="val",
        images=200,
        method=method,
        granularity=granularity,
        max_drop=1.0,
        steps=[first, step],
        overall=step,
        layer_images=100,
        layers=layers,
        file_sha256="0" * 64,
    ).with_limit(None)


def test_exactly_the_limit_passes():
    make_comparison(-0.01).check()
    make_comparison(-0.005, "qat").check()
    make_comparison(0.05).check()


@pytest.mark.parametrize(
    ("comparison", "message"),
    [
        (
            make_comparison(-0.015),
            r"int8 \(ptq\) is 1.50 percentage points below float .*--max_drop=1. Worst "
            "layers: "
            "stage2_unit0_branch_depthwise_wide, stem. Try quantization-aware .*"
            "calibration_count",
        ),
        (make_comparison(-0.01, "qat"), "max_drop=0.5.*longer `corallite quantize`"),
        (make_comparison(-0.02, granularity="tensor"), "Try per-channel scales"),
        (
            make_comparison(-0.02, "qat", changes=(0.1, 1000.0)),
            "Changed most since the float model: stem. Train the stage that",
        ),
    ],
)
def test_more_is_refused_with_layers_and_remedy(comparison, message):
    with pytest.raises(AccuracyLostError, match=message) as caught:
        comparison.check()
    assert caught.value.comparison == comparison
    lines = format_comparison(comparison).splitlines()
    assert "FAILED" in lines[1]
    assert max(map(len, lines)) <= 80


def test_a_wider_limit_passes():
    make_comparison(-0.02).with_limit(2.0).check()


def test_text_fits_80_columns_and_has_every_step():
    text = format_comparison(make_comparison(-0.004))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert "0.40 percentage points below" in lines[0]
    assert "float, 1 allowed: passed" in lines[1]
    assert "float -> ptq" in text and "float -> int8" in text
    assert "stage2_unit0_branch_depthwise_wide" in text


def test_a_comparison_survives_json():
    comparison = make_comparison(-0.02)
    content = json.loads(json.dumps(comparison.to_json()))
    assert content["held"] is False
    assert content["layers"][0]["layer"] == "stage2_unit0_branch_depthwise_wide"
    assert AccuracyComparison.from_json(content) == comparison
