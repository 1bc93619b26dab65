"""Compares one network for classes and boxes with two that have one task each.

    python benchmarks/detect/make_table.py --scenes=scenes --weights=model.h5

`--scenes` is made by make_scenes.py, `--weights` are those that all three networks
begin with. Each has a run folder in --work_dir: it is trained, quantized after
training, converted to int8 and measured on the test split. Finished steps are not done
again. Prints the table: mAP50 and top-1 in percent, with 95 % intervals.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import app, flags

from corallite.convert.accuracy.gate import AccuracyLostError
from corallite.convert.evaluate.boxes.metrics import BoxEvaluation
from corallite.convert.evaluate.boxes.stages import evaluate_boxes
from corallite.convert.evaluate.stages import evaluate_run
from corallite.convert.export.convert import convert
from corallite.device.cli import program
from corallite.train.models.network import Network
from corallite.train.runs.recipe import TRAIN
from corallite.train.runs.run import Run
from corallite.train.training.detect.task import VisionTask
from corallite.train.training.float_stage import train
from corallite.train.training.recipe import Transfer

_SCENES = flags.DEFINE_string("scenes", None, "Folder of scenes.", required=True)
_WEIGHTS = flags.DEFINE_string("weights", None, "Initial weights.", required=True)
_WORK_DIR = flags.DEFINE_string("work_dir", "runs/detect", "Folder of the runs.")
_TASKS = flags.DEFINE_list("tasks", "both,detect,classify", "Rows of the table.")
_EPOCHS = flags.DEFINE_integer("epochs", 10, "Of each training.")
_SEED = flags.DEFINE_integer("seed", 0, "Seed of each training.")

_NETWORK = Network("shufflenet_v2", 0.5, (96, 96))
_RECIPE = dataclasses.replace(
    TRAIN, batch_size=32, optimizer="adamw", learning_rate=0.002
)
_HEADINGS = (
    *("outputs", "parameters", "MACs", "mAP50 float", "95 %", "int8", "change"),
    *("top-1 float", "95 %", "int8", "change", "int8 bytes", "p50 ms"),
)


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    rows = [_measure(task) for task in _TASKS.value]
    rule = "| " + " | ".join([":---", *["---:"] * (len(_HEADINGS) - 1)]) + " |"
    lines = [f"| {' | '.join(row)} |" for row in (_HEADINGS, *rows)]
    print("\n".join([lines[0], rule, *lines[1:]]))


def _measure(task: str) -> Sequence[str]:
    run = Run.open(Path(_WORK_DIR.value) / task)
    recipe = dataclasses.replace(_RECIPE, epochs=_EPOCHS.value, seed=_SEED.value)
    stage, data = train(
        *(Path(_SCENES.value), run, _NETWORK, recipe),
        transfer=Transfer(_WEIGHTS.value, is_frozen=False),
        task=VisionTask(task),
    )
    try:
        convert(run, data)
    except AccuracyLostError as error:
        raise app.UsageError(str(error)) from error
    evaluate: Any = evaluate_run if data.boxes is None else evaluate_boxes
    first, *_, last = evaluate(run, data)
    metrics = stage.metrics()
    of_boxes = _describe(first.evaluation, last.evaluation, BoxEvaluation, "map50")
    classes = [getattr(x.evaluation, "classes", x.evaluation) for x in (first, last)]
    return (
        task,
        f"{metrics['parameters']:,}",
        f"{metrics['macs']:,}",
        *of_boxes,
        *_describe(*classes, object, "top1"),
        f"{last.file_bytes:,}",
        f"{last.evaluation.latency_p50_ms:.3f}",
    )


def _describe(first: Any, last: Any, kind: type, name: str) -> Sequence[str]:
    """Returns four cells: before int8, its interval, int8, and the change."""
    if first is None or not isinstance(first, kind):
        return ("-",) * 4
    low, high = getattr(first, f"{name}_interval")
    before, after = getattr(first, name), getattr(last, name)
    return (
        f"{100 * before:.2f}",
        f"{100 * low:.1f}-{100 * high:.1f}",
        f"{100 * after:.2f}",
        f"{100 * (after - before):+.2f}",
    )


if __name__ == "__main__":
    program.run(main)
