"""The tables of compression, with a stand-in that writes records and trains nothing."""

import importlib
from pathlib import Path
from types import SimpleNamespace

import pytest

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.runs.kinds import KINDS
from corallite.train.runs.run import Run

FOLDER = Path(__file__).parents[3] / "benchmarks" / "results"
MODULES = ("rows", "make_rows", "read_rows", "measure_rows", "format_tables")
STAGES = {"train": "float", "prune": "pruned", "quantize": "qat", "convert": "int8"}


@pytest.fixture
def results(monkeypatch):
    """The modules of the benchmark."""
    monkeypatch.syspath_prepend(FOLDER)
    return SimpleNamespace(**{x: importlib.import_module(x) for x in MODULES})


class StandIn:
    """Runs `corallite`: writes the records of each verb, and keeps the commands."""

    def __init__(self):
        self.commands = []
        self.failing = ""

    def __call__(self, arguments):
        self.commands.append(list(arguments))
        verb, *given = arguments
        flags = dict(x.removeprefix("--").split("=", 1) for x in given)
        if self.failing and self.failing in " ".join(arguments):
            return 2
        run = Run.open(Path(flags["run_dir"]))
        if verb == "evaluate":
            self._evaluate(run)
            return 1  # As after a loss of accuracy.
        is_slim = flags.get("method") == "channels"
        self._finish(run.stage("slim" if is_slim else STAGES[verb]), flags)
        return 0

    def _finish(self, stage, flags):
        if stage.name == "float":
            stage.run.record({"data_dir": flags["data_dir"]})
            for name in ("split.json", "classes.txt", "cache/val.npy"):
                files.write_text(stage.run.path / name, name)
        files.write_text(stage.model_path, f"{stage.name} of {stage.run.path.name}")
        parents = [stage.run.stage(name) for name in stage.kind.parents]
        parent = next((x for x in reversed(parents) if x.is_complete()), None)
        inputs = {"parent": parent.sha256()} if parent else {}
        if stage.kind.recipe:
            inputs["recipe"] = {"seed": int(flags["seed"]), "epochs": 4}
        metrics = {
            "history": 4 * [{"seconds": 900}],
            "parameters": 700 if stage.name == "slim" else 1000,
            "macs": 12_000,
            "predicted": {"latency_ms": 0.7},
            "predicted_before": {"latency_ms": 1.0},
        }
        stage.finish(inputs, metrics if stage.kind.recipe else {}, parent)

    def _evaluate(self, run):
        for stage in run.stages():
            shown = str(stage.model_path.relative_to(run.path))
            record = {
                "evaluation": {"top1": 0.875, "top1_interval": [0.85, 0.9]},
                "file": shown,
                "file_bytes": 98_496,
                "gzipped_bytes": 60_000,
                "machine": "a machine",
            }
            files.write_json(stage.path / "evaluation_test.json", record)


@pytest.fixture
def stand_in():
    return StandIn()


@pytest.fixture
def make(results, tmp_path, stand_in):
    """A function that makes the rows of these names: make(*names, **settings)."""

    def make(*names, **settings):
        known = results.rows.list_rows()
        common = results.make_rows.Settings(Path("cifar10"), **settings)
        for row in results.make_rows.select(known, names):
            results.make_rows.make(row, tmp_path, common, stand_in)

    return make


def test_rows_come_after_those_that_they_need(results):
    known = results.rows.list_rows()
    names = [row.name for row in known]
    assert len(set(names)) == len(names) == 5 + 6 + 7 + 1 + 5
    for row in known:
        needed = {*row.others()} - {""}
        assert needed <= set(names)
        before = names[: names.index(row.name)]
        # What it is only compared with may be made later.
        assert needed - {row.baseline, row.unslimmed} <= set(before)
    assert {kind for row in known for kind in (x.split()[0] for x in row.steps)} <= {
        kind.verb for kind in KINDS.values()
    }


def test_a_row_brings_those_that_it_needs_and_is_made_once(make, stand_in, tmp_path):
    make("mobilenet_slim80")
    folders = [Path(x[1].removeprefix("--run_dir=")).name for x in stand_in.commands]
    verbs = [
        (folder, x[0]) for folder, x in zip(folders, stand_in.commands, strict=True)
    ]
    later = ["prune", "quantize", "convert", "evaluate"]
    assert verbs == [
        *[("mobilenet", x) for x in ("train", "evaluate")],
        # It is compared with that one.
        *[("mobilenet_quantized", x) for x in later[1:]],
        *[("mobilenet_slim70", x) for x in later],
        *[("mobilenet_slim80", x) for x in later],
    ]
    prune = stand_in.commands[9]
    table = tmp_path / "mobilenet_slim70" / "slim" / "latencies.json"
    assert {f"--board={table}", "--max_latency_ms=0.8"} <= set(prune)
    assert (tmp_path / "mobilenet_slim80" / "float" / "model.h5").exists()

    done = len(stand_in.commands)
    make("mobilenet_slim80")
    assert len(stand_in.commands) == done
    make("mobilenet_slim80", later_epochs=1)
    assert [x[0] for x in stand_in.commands[done:]] == [*later[1:], *2 * later]
    assert "--epochs=1" in stand_in.commands[-3]


def test_rows_of_a_network_that_was_trained_anew_are_made_anew(
    make, stand_in, tmp_path
):
    make("mobilenet_quantized")
    done = len(stand_in.commands)
    (tmp_path / "mobilenet" / "float" / "model.h5").write_text("trained anew")
    make("mobilenet_quantized")
    assert [x[0] for x in stand_in.commands[done:]] == [
        "quantize",
        "convert",
        "evaluate",
    ]
    copied = tmp_path / "mobilenet_quantized" / "float" / "model.h5"
    assert copied.read_text() == "trained anew"


def test_a_row_that_failed_is_tried_again(make, stand_in, tmp_path):
    stand_in.failing = "quantize"
    with pytest.raises(RequestError, match="resnet8: corallite quantize .* failed"):
        make("resnet8")
    assert not (tmp_path / "resnet8" / "row.json").exists()
    stand_in.failing = ""
    make("resnet8")
    assert (tmp_path / "resnet8" / "row.json").exists()


def test_an_unknown_row_is_named(make):
    with pytest.raises(RequestError, match="no row 'resnet9'; choose from resnet18,"):
        make("resnet9")


def test_finished_rows_are_printed_and_others_are_empty(results, make, tmp_path):
    make("mobilenet_quantized", "mobilenet_slim70")
    known = [x for x in results.rows.list_rows() if x.table == 2]
    found = {x.name: results.read_rows.read(x, tmp_path) for x in known}
    found = {name: x for name, x in found.items() if x}
    assert list(found) == ["mobilenet", "mobilenet_quantized", "mobilenet_slim70"]

    def time(paths):
        return [2.0, 1.0, 0.75][: len(paths)]

    cache = tmp_path / "latency.json"
    times = results.measure_rows.measure(found, cache, time)
    assert results.measure_rows.measure(found, cache, None) == times
    finished = [
        results.format_tables.Finished(row, found[row.name], times[row.name])
        for row in known
        if row.name in found
    ]
    text = results.format_tables.format_table(2, known, finished)
    rows = [line for line in text.splitlines() if line.startswith("| M")]
    accuracy = "87.50 | 85.0-90.0"
    assert rows[0] == (
        f"| MobileNetV2 0.35, float | {accuracy} |  |  | 1,000 | 12,000 | 98,496 | "
        "60,000 | 2.000 | 2.00 |  |  |"
    )
    slim = next(row for row in rows if "70 %" in row)
    assert f"{accuracy} | {accuracy} | 700 | 12,000" in slim
    assert "| 0.750 | 0.75 | 0.70 (0.93 of measured) |" in slim
    pruned = next(row for row in rows if "zeros" in row)
    assert set(pruned.removeprefix("| MobileNetV2 0.35, 50 % zeros")) == {"|", " "}
    # A copied float stage is not its own.
    assert "mobilenet 1.00; mobilenet_quantized 1.00; mobilenet_slim70 2.00." in text
    assert "Seed 0." in text
    assert "a machine" in text
