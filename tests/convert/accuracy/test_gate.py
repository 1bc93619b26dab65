"""The accuracy gate: what passes, what does not, and the message then."""

import dataclasses
import itertools
import json
import re

import pytest

from corallite.convert.accuracy import gate
from corallite.convert.accuracy.comparison import (
    AccuracyComparison,
    LayerError,
    Verdict,
)
from corallite.convert.accuracy.gate import AccuracyLostError
from corallite.convert.accuracy.gate_text import format_comparison
from corallite.convert.accuracy.paired import Step, paired_interval
from corallite.train.runs.predictions import PredictionSummary


def make_comparison(
    difference, method="ptq", changes=(None, None), granularity="channel"
):
    interval = difference, difference  # As of very many images.
    step = Step("float", "int8", 0.9, 0.9 + difference, difference, interval, 0.95)
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
    gate.check(make_comparison(-0.01))
    gate.check(make_comparison(-0.005, "qat"))
    gate.check(make_comparison(0.05))


@pytest.mark.parametrize(
    ("comparison", "message"),
    [
        (
            make_comparison(-0.015),
            r"int8 \(ptq\) is 1.50 percentage points below float .*--max_drop=1. The "
            "largest .* Worst layers: "
            "stage2_unit0_branch_depthwise_wide, stem. Convert with --method=auto.*"
            "calibration_count",
        ),
        (make_comparison(-0.01, "qat"), "max_drop=0.5.*more --epochs of `corallite q"),
        (make_comparison(-0.02, granularity="tensor"), "Use per-channel scales"),
        (
            make_comparison(-0.02, "qat", changes=(0.1, 1000.0)),
            "Changed most by later training: stem. Train longer for int8",
        ),
    ],
)
def test_more_is_refused_with_layers_and_remedy(comparison, message):
    with pytest.raises(AccuracyLostError, match=message) as caught:
        gate.check(comparison)
    assert caught.value.comparison == comparison
    lines = format_comparison(comparison).splitlines()
    assert "FAILED" in lines[1]
    assert max(map(len, lines)) <= 80


def test_a_wider_limit_passes():
    gate.check(make_comparison(-0.02).with_limit(2.0))


def test_text_fits_80_columns_and_has_every_step():
    text = format_comparison(make_comparison(-0.004))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80
    assert "0.40 percentage points below" in lines[0]
    assert "float, 1 allowed: passed" in lines[1]
    assert "float -> ptq" in text and "float -> int8" in text
    assert "stage2_unit0_branch_depthwise_wide" in text


def make_steps(*losses, method="qat", images=200):
    """Steps float -> pruned -> qat -> int8, each of them losing so many images."""
    names, top1, steps = ["float", "pruned", "qat", "int8"], 0.9, []
    for pair, lost in zip(itertools.pairwise(names), losses, strict=True):
        difference = -lost / images
        interval = paired_interval(max(-lost, 0), max(lost, 0), images)
        steps.append(Step(*pair, top1, top1 + difference, difference, interval, 0.9))
        top1 += difference
    total = sum(losses)
    gained, lost = max(-total, 0), max(total, 0)
    overall = dataclasses.replace(
        steps[0],
        to_name="int8",
        top1_to=top1,
        difference=top1 - 0.9,
        interval=paired_interval(gained, lost, images),
        gained=gained,
        lost=lost,
    )
    comparison = make_comparison(0.0, method)
    changes = {"images": images, "steps": steps, "overall": overall}
    return dataclasses.replace(comparison, **changes)


SUGGESTIONS = (
    "a lower --sparsity or more --epochs",
    "more --epochs of `corallite quantize`",
    "should cost almost nothing",
)


@pytest.mark.parametrize(
    ("losses", "step", "suggestion"),
    [
        ((20, 2, 0), "from float to pruned: 10.00", SUGGESTIONS[0]),
        ((2, 20, 0), "from pruned to qat: 10.00", SUGGESTIONS[1]),
        ((0, 0, 20), "from qat to int8: 10.00", SUGGESTIONS[2]),
        # It won back half of what pruning lost.
        ((20, -10, 0), "from float to pruned: 10.00", SUGGESTIONS[0]),
    ],
)
def test_the_step_that_lost_is_named_with_its_suggestion(losses, step, suggestion):
    comparison = make_steps(*losses)
    message = gate.explain(comparison)
    assert f"The largest loss is {step} percentage points (95 %: -" in message
    assert [x for x in SUGGESTIONS if x in message] == [suggestion]
    assert "chance" not in message


def test_a_significant_loss_comes_before_a_larger_one_that_may_be_chance():
    chance, sure = make_steps(20, 10, 0).steps[:2]
    chance = dataclasses.replace(chance, interval=(-0.3, 0.1))
    comparison = dataclasses.replace(make_steps(20, 10, 0), steps=[chance, sure])
    assert comparison.lossy_step() == sure


def test_72_photos_blame_pruning_and_say_that_it_may_be_chance():
    message = gate.explain(make_steps(3, 0, 0, images=9))
    assert "from float to pruned: 33.33 percentage points" in message
    assert "may be chance with 9 images" in message
    assert "a lower --sparsity" in message


def test_a_significant_loss_is_named_although_the_file_passes():
    won_back = make_steps(20, -20, 0).with_limit(3.0)
    text = format_comparison(won_back)
    assert "passed" in text
    assert "The largest loss is from float to pruned: 10.00 percentage points" in text
    assert "sparsity" not in text
    assert "largest loss" not in format_comparison(make_steps(1, 0, 0))
    assert "largest loss" not in format_comparison(make_steps(0, 0, 0))


@pytest.mark.parametrize(
    ("lost", "images", "verdict"),
    [
        # 95 % intervals of the loss: 0 to 0.32, 0.4 to 1.3, 1.1 to 4.2 points.
        (0, 1200, Verdict.PASSED),
        (6, 800, Verdict.NOT_PROVEN),
        (6, 200, Verdict.FAILED),
        # No image tells, and yet 60 are too few to prove it: 0 to 6.0 points.
        (0, 60, Verdict.NOT_PROVEN),
    ],
)
def test_the_interval_decides_and_not_the_measured_loss(lost, images, verdict):
    comparison = make_steps(lost, 0, 0, images=images).with_limit(1.0)
    assert comparison.verdict is verdict
    assert comparison.passed == (verdict is not Verdict.FAILED)
    text = format_comparison(comparison)
    assert f"1 allowed: {verdict.value}" in text
    assert ("Not proven: " in text) == (verdict is Verdict.NOT_PROVEN)
    assert max(map(len, text.splitlines())) <= 80


def test_images_that_were_trained_on_prove_a_loss_and_nothing_else():
    for lost, verdict in ((0, Verdict.NOT_PROVEN), (60, Verdict.FAILED)):
        comparison = make_steps(lost, 0, 0, images=600).with_limit(1.0)
        comparison = dataclasses.replace(comparison, is_trained_on=True)
        assert comparison.verdict is verdict
    comparison = dataclasses.replace(make_steps(0, 0, 0), is_trained_on=True)
    assert "200 validation images were trained on too" in gate.explain_doubt(comparison)
    content = json.loads(json.dumps(comparison.to_json()))
    assert AccuracyComparison.from_json(content) == comparison
    del content["is_trained_on"]  # Of an earlier version.
    assert not AccuracyComparison.from_json(content).is_trained_on


def test_the_images_that_would_tell_do_tell():
    doubt = gate.explain_doubt(make_steps(2, 0, 0, images=60).with_limit(1.0))
    # 3.3 points measured, 1 allowed: with the same share lost, so many are enough.
    (count,) = map(int, re.findall(r"about (\d+) validation images", doubt))
    for images, is_told in ((count, True), (0.9 * count, False)):
        low, high = paired_interval(0, images * 2 / 60, images)
        assert (low <= -0.01 <= high) != is_told
    assert "too close to the limit" in gate.explain_doubt(
        make_steps(1, 0, 0, images=100).with_limit(1.0)
    )


def test_a_next_method_is_tried_without_proof():
    doubtful = make_steps(2, 0, 0, images=60).with_limit(1.0)
    gate.check(doubtful)
    with pytest.raises(AccuracyLostError, match="3.33 percentage points below"):
        gate.check(doubtful, has_next=True)
    gate.check(make_steps(0, 0, 0, images=60), has_next=True)


def test_a_record_of_an_earlier_version_has_no_counts():
    content = make_steps(2, 0, 0, images=60).to_json()
    for step in (*content["hops"], content["overall"]):
        del step["gained"], step["lost"]
    del content["verdict"]
    old = AccuracyComparison.from_json(json.loads(json.dumps(content)))
    doubt = gate.explain_doubt(old.with_limit(1.0))
    assert "more validation images would tell" in doubt


def test_any_other_stage_has_a_suggestion():
    comparison = make_steps(20, 0, 0)
    step = dataclasses.replace(comparison.steps[0], to_name="halved")
    comparison = dataclasses.replace(comparison, steps=[step, *comparison.steps[1:]])
    assert "Make this stage again with other settings." in gate.explain(comparison)


ONE_LABEL = PredictionSummary(18, 6, 6, "red", 18)
USEFUL = PredictionSummary(18, 17, 6, "red", 7)


@pytest.mark.parametrize(
    ("predictions", "words"),
    [
        # float and int8 agree, and no accuracy is lost.
        (
            {"float": ONE_LABEL, "ptq": ONE_LABEL, "int8": ONE_LABEL},
            "int8 predicts 'red' for 18 of 18 validation images, .* float is no better."
            " Run `corallite train` with more --epochs",
        ),
        ({"float": USEFUL, "ptq": USEFUL, "int8": ONE_LABEL}, "should cost almost no"),
        ({"float": USEFUL, "ptq": ONE_LABEL, "int8": ONE_LABEL}, "--calibration_count"),
        (
            {"float": USEFUL, "int8": dataclasses.replace(USEFUL, right=6)},
            "is right for 6 of 18 .*most frequent class is right for 6",
        ),
    ],
)
def test_a_useless_file_does_not_pass(predictions, words):
    step = make_comparison(0.0).steps[0]
    steps = [step, dataclasses.replace(step, from_name="ptq", to_name="int8")]
    comparison = dataclasses.replace(
        make_comparison(0.0), steps=steps, predictions=predictions
    )
    assert not comparison.passed
    assert not comparison.with_limit(100.0).passed
    with pytest.raises(AccuracyLostError, match=words):
        gate.check(comparison)
    lines = format_comparison(comparison).splitlines()
    assert "FAILED" in lines[1] and "passed" not in " ".join(lines)
    assert max(map(len, lines)) <= 80


def test_a_useful_file_of_a_useless_model_passes():
    predictions = {"float": ONE_LABEL, "qat": USEFUL, "int8": USEFUL}
    gate.check(dataclasses.replace(make_comparison(0.0), predictions=predictions))


def test_a_record_of_an_earlier_version_has_no_predictions():
    content = make_comparison(0.0).to_json()
    del content["predictions"]
    assert AccuracyComparison.from_json(content).passed


def test_no_loss_has_no_sign():
    text = format_comparison(make_comparison(0.0))
    assert "validation images: 0.00 percentage points below" in text


def test_a_comparison_survives_json():
    comparison = dataclasses.replace(
        make_comparison(-0.02), predictions={"float": USEFUL, "int8": ONE_LABEL}
    )
    content = json.loads(json.dumps(comparison.to_json()))
    assert content["held"] is False
    assert content["layers"][0]["layer"] == "stage2_unit0_branch_depthwise_wide"
    assert AccuracyComparison.from_json(content) == comparison
