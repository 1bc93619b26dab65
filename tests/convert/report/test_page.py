"""What a page says of facts that are known, and that it says nothing else."""

import dataclasses
import html
import re

import numpy as np
import pytest

from corallite.convert.accuracy.comparison import AccuracyComparison, LayerError
from corallite.convert.accuracy.paired import Step
from corallite.convert.accuracy.sensitivity_record import (
    Change,
    LayerSensitivity,
    Sensitivity,
)
from corallite.convert.report.facts import StageRecord
from corallite.convert.report.page import render
from corallite.convert.report.provenance import list_commands
from corallite.convert.report.thumbnails import show_doubtful
from corallite.train.data.load import Split
from corallite.train.runs.kinds import find_kind

STEP = Step("float", "int8", 0.88, 0.84, -0.04, (-0.05, -0.03), 0.95)
ACCURACY = AccuracyComparison(
    part="val",
    images=600,
    method="qat",
    granularity="channel",
    max_drop=0.5,
    steps=[STEP],
    overall=STEP,
    layer_images=128,
    layers=[LayerError("stage2_<unit>", 0.01, 0.04, 0.98)],
    file_sha256="0" * 64,
)


def text_of(page):
    """What a reader sees, without tags, style and spaces in a row."""
    body = page[page.index("<body") :]
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def test_a_page_says_what_was_trained_and_measured(make_facts):
    facts = make_facts()
    text = text_of(render(facts))
    evaluation = facts.last.result.evaluation
    for expected in (
        "shufflenet_v2, width 0.5x, 700 parameters, 3,000 MACs",
        "photos: 12 to train, 12 to validate, 12 to test",
        "random weights, seed 0",
        f"{100 * evaluation.top1:.2f} {100 * evaluation.top1_interval[0]:.1f}–",
        "2,000 1,000 50.0 % 3,000 0.500 0.750",
        f"ECE {evaluation.calibration_error:.3f}",
        "f" * 64,
        "Written 2026-01-02 03:04 UTC",
        "corallite train --run_dir=runs/made-up --data_dir=photos "
        "--model=shufflenet_v2 --width=0.5 --image_size=32 --weights=random "
        "--epochs=2 --batch_size=128 --learning_rate=0.1",
        "corallite convert --run_dir=runs/made-up --source=float",
    ):
        assert expected in text


def test_the_same_facts_give_the_same_bytes(make_facts):
    assert render(make_facts()) == render(make_facts())


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "a&b \"c\" 'd'", "größe_猫", "x" * 300]
)
def test_names_of_classes_are_text_and_nothing_else(make_facts, name):
    page = render(make_facts((name, "dog", "owl")))
    assert "<script" not in page
    assert text_of(page).count(" ".join(name.split())) > 3


def test_few_classes_make_a_matrix_and_many_a_list(make_facts):
    few = render(make_facts([f"class {i}" for i in range(30)]))
    many = render(make_facts([f"class {i}" for i in range(100)]))
    assert 'class="matrix"' in few
    assert 'class="matrix"' not in many
    assert "Weakest classes" in many
    assert text_of(many).count("class 99") >= 1


def test_the_most_confident_mistakes_are_shown_first(make_facts):
    facts = make_facts()
    page = render(facts)
    shown = re.findall(r'<img src="(data:image/png[^"]+)" alt="([^"]+)"', page)
    assert [path for _, path in shown] == [x.path for x in facts.pictures]
    sureness = [x.confidence for x in facts.pictures]
    assert sureness == sorted(sureness, reverse=True)


def test_without_mistakes_a_sentence_says_so(make_facts):
    text = text_of(render(make_facts(is_right=True)))
    assert "int8 predicts all 12 test images right" in text
    assert "int8 predicts all 12 images right" in text


def test_the_operator_that_splits_the_graph_is_named_with_a_suggestion(make_facts):
    page = render(make_facts())
    text = text_of(page)
    assert "1 of 3 operators would run on the Edge TPU, in 1 subgraph" in text
    assert "The first operator that splits the graph is 1 ELU (b)" in text
    assert "Suggestion: replace it with ReLU or ReLU6" in text
    assert "This is predicted for compiler" in text
    assert page.count('<g class="cpu cut">') == 1


def test_what_the_compiler_said_is_not_called_a_prediction(make_facts):
    text = text_of(render(make_facts(is_predicted=False)))
    assert "1 of 3 operators run on the Edge TPU" in text
    assert "This is the output of compiler" in text
    assert "is a prediction" not in text and "Edge TPU, predicted" not in text


def test_steps_and_layers_are_shown(make_facts):
    page = render(make_facts(accuracy=ACCURACY))
    text = text_of(page)
    assert "The file failed. int8 (qat) is 4.00 percentage points below float" in text
    assert "The largest loss is from float to int8: 4.00 percentage points" in text
    assert "more --epochs of `corallite quantize`" in text
    assert "float int8 88.00 % 84.00 % −4.00 −5.00 … −3.00 95.0 %" in text
    assert "stage2_<unit> 10.0 % of 20.0 %" in text
    assert 'class="bar own" style="width: 50.0%"' in page


def test_a_file_that_passed_names_only_a_significant_loss(make_facts):
    passed = dataclasses.replace(ACCURACY, max_drop=5.0)
    text = text_of(render(make_facts(accuracy=passed)))
    assert "5.0 percentage points (the limit) below float. The largest loss is" in text
    step = dataclasses.replace(STEP, interval=(-0.05, 0.01))
    passed = dataclasses.replace(passed, steps=[step])
    assert "largest loss" not in text_of(render(make_facts(accuracy=passed)))


def test_a_stage_that_predicts_one_label_is_warned_of(make_facts):
    facts = make_facts()
    assert "Warning:" not in text_of(render(make_facts(is_right=True)))
    result = facts.stages[0].result
    confusion = [[0, 4, 0]] * 3
    evaluation = dataclasses.replace(result.evaluation, confusion=confusion)
    result = dataclasses.replace(result, evaluation=evaluation)
    first = dataclasses.replace(facts.stages[0], result=result)
    text = text_of(render(dataclasses.replace(facts, stages=[first, facts.stages[1]])))
    assert "Warning: float predicts 'dog' for 12 of 12 test images" in text


@pytest.mark.parametrize(
    ("inputs", "accuracy", "flags"),
    [
        (
            {"source": "pruned", "method": "ptq", "granularity": "channel"},
            None,
            " --method=ptq",
        ),
        (
            {
                "source": "pruned",
                "method": "ptq_corrected",
                "granularity": "tensor",
                "calibration_count": 50,
            },
            dataclasses.replace(ACCURACY, method="ptq_corrected", max_drop=1.5),
            " --method=ptq_corrected --granularity=tensor --calibration_count=50"
            " --max_drop=1.5",
        ),
    ],
)
def test_convert_has_the_flags_it_was_given(make_facts, inputs, accuracy, flags):
    facts = make_facts(accuracy=accuracy)
    facts.stages[-1].metrics["inputs"] = inputs
    commands = list_commands(facts)
    expected = f"corallite convert --run_dir={facts.run_dir} --source=pruned{flags}"
    assert expected in commands


def test_what_the_compiler_wrote_is_listed(make_facts):
    name = "edgetpu/model_int8_edgetpu.tflite"
    metrics = {"inputs": {"num_segments": 2}, "finished": "2026-01-02T03:04:05+00:00"}
    stage = StageRecord(find_kind("edgetpu"), metrics, {name: "ab" * 32})
    facts = make_facts(is_predicted=False, others=[stage])
    text = text_of(render(facts))
    assert "corallite compile --run_dir=runs/made-up --num_segments=2" in text
    assert f"edgetpu {name} 2026-01-02 03:04 – {'ab' * 32}" in text


def test_what_is_missing_is_a_sentence_with_the_command(make_facts):
    facts = make_facts(model=None, edgetpu=None)
    text = text_of(render(dataclasses.replace(facts, stages=facts.stages[:1])))
    assert text.count("There is no int8 file yet; run corallite convert --run") == 2
    assert "There is only the float stage so far" in text


def test_weights_from_elsewhere_are_named(make_facts):
    facts = make_facts(weights_name="lite0.pth")
    network = {**facts.network, "weights": "abc", "frozen": False}
    text = text_of(render(dataclasses.replace(facts, network=network)))
    assert "the weights of lite0.pth (SHA-256 abc…) " in text
    assert "--weights=lite0.pth --nofreeze" in text
    # A run of an earlier version, which does not say.
    del network["frozen"]
    text = text_of(render(dataclasses.replace(facts, network=network)))
    assert "--weights=lite0.pth --epochs" in text


def test_a_head_that_was_fitted_alone_is_described(make_facts):
    facts = make_facts(weights_name="lite0.pth")
    network = {**facts.network, "weights": "abc", "frozen": True}
    first, *others = facts.stages
    head = {"penalty": 0.01, "folds": 5, "accuracy": 0.8083, "interval": [0.729, 0.869]}
    recipe = {**first.metrics["inputs"]["recipe"], "epochs": 0}
    inputs = {**first.metrics["inputs"], "recipe": recipe}
    metrics = {**first.metrics, "head": head, "history": [], "inputs": inputs}
    stages = [dataclasses.replace(first, metrics=metrics), *others]
    text = text_of(render(dataclasses.replace(facts, network=network, stages=stages)))
    assert "(SHA-256 abc…), all kept but for the head" in text
    assert "(5 folds), 80.8 % are right (95 %: 72.9 % to 86.9 %)" in text
    assert "Recipe, float" not in text


def test_no_two_elements_have_the_same_id(make_facts):
    ids = re.findall(r'\bid="([^"]+)"', render(make_facts()))
    assert len(ids) == len(set(ids))


def test_labels_that_may_be_wrong_are_shown(make_facts):
    record = {
        "path": "cat/1.jpg",
        "label": "cat",
        "other": "<dog>",
        "probability": 0.02,
    }
    images = np.zeros((2, 8, 8, 3), np.uint8)
    split = Split(images, np.array([0, 0]), ("cat/0.jpg", "cat/1.jpg"))
    # The second was removed since.
    shown = show_doubtful([record, {**record, "path": "cat/9.jpg"}], split)
    text = text_of(render(make_facts(doubtful=shown)))
    assert "looks like <dog> is cat (2 %) cat/1.jpg" in text
    assert "cat/9.jpg" not in text
    assert "Labels that may be wrong" not in text_of(render(make_facts()))


def test_removed_channels_are_shown_by_layer(make_facts):
    facts = make_facts()
    assert "Removed channels" not in render(facts)
    first, last = facts.stages
    slim = dataclasses.replace(
        first,
        kind=find_kind("slim"),
        metrics={
            **first.metrics,
            "channels": {"stem": [16, 12], "wide_<b>": [64, 24]},
            "predicted_before": {"latency_ms": 1.5, "macs": 12e6},
            "predicted": {"latency_ms": 0.75, "macs": 6e6},
        },
    )
    text = text_of(render(make_facts(stages=[first, slim, last])))
    for expected in (
        "milliseconds from 1.5 to 0.75, MACs from 12,000,000 to 6,000,000 (predicted)",
        "Output channels of convolutions, slim",
        "stem 12 of 16",
        "wide_<b> 24 of 64",
    ):
        assert expected in text


def test_sensitivity_is_shown_by_layer_with_a_scale_for_each_change(make_facts):
    assert "Sensitivity" not in text_of(render(make_facts()))
    layers = [
        LayerSensitivity("stem_<s>", Change(0.002, -0.001), None),
        LayerSensitivity("middle", Change(-0.001, 0.0), Change(0.25, -0.125)),
    ]
    found = Sensitivity("float", "0" * 64, 512, 0.5, 0.875, layers)
    page = render(make_facts(sensitivity=found))
    text = text_of(page)
    for expected in (
        "What float loses if one layer is changed alone, on 512 images",
        "which is 0.5000 without a change",
        "stem_<s> +0.0020 (−0.10) –",
        "middle −0.0010 (+0.00) +0.2500 (−12.50)",
    ):
        assert expected in text
    widths = re.findall(r'class="bar (upper|lower)" style="width: ([\d.]+)%', page)
    assert widths == [
        *[("upper", "100.0"), ("lower", "0.0")],
        *[("upper", "0.0"), ("lower", "100.0")],
    ]
