"""The slim stage keeps its budget, goes on when cut, and later stages build on it."""

import dataclasses
import shutil
import signal

import numpy as np
import pytest
from fixtures.small_run import open_run

from corallite.device.benchmark.layers.latency_table import (
    LatencyTable,
    write_table,
)
from corallite.device.benchmark.layers.operator import Operator
from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.quantize.qat_stage import train_quantized
from corallite.optimize.slim import slim_stage
from corallite.optimize.slim.budget import Budget
from corallite.optimize.slim.operator_costs import count_macs
from corallite.optimize.slim.planner import list_operators
from corallite.optimize.slim.slim_stage import slim
from corallite.train.framework.keras import keras
from corallite.train.models import cost
from corallite.train.runs.run import Run


@pytest.fixture
def float_run(small_copy):
    """A run that has its float stage alone."""
    for name in ("pruned", "qat", "int8"):
        shutil.rmtree(small_copy / name)
    return small_copy


@pytest.fixture
def recipe(small_recipe):
    return dataclasses.replace(small_recipe, epochs=3)


def share_of_macs(run_dir, share):
    model = load_model(Run.open(run_dir).stage("float").model_path)
    return Budget(max_macs=share * cost.count_macs(model))


@pytest.mark.slow
def test_the_network_is_within_the_budget_and_is_quantized_later(
    float_run, recipe, caplog
):
    budget = share_of_macs(float_run, 0.6)
    stage = slim(*open_run(float_run), budget, recipe)
    # Rounds are short on purpose: the stage is judged as a whole.
    (warning,) = (x for x in caplog.messages if "optimizer steps" in x)
    assert warning.startswith("slim: 3 epochs are only 27 optimizer steps")
    model = load_model(stage.model_path)
    # Widths are few in so small a network: it is nearly as wide as it may be.
    assert 0.8 * budget.max_macs <= cost.count_macs(model) <= budget.max_macs
    assert stage.metrics()["macs"] == cost.count_macs(model)
    assert stage.metrics()["predicted"]["macs"] == pytest.approx(cost.count_macs(model))
    # Nothing is left that only an interrupted stage needs.
    names = {path.name for path in stage.path.iterdir()}
    assert names == {"metrics.json", "model.h5", "tensorboard"}

    qat = train_quantized(*open_run(float_run), recipe)
    assert qat.metrics()["parent"] == "slim"
    assert "--method=channels" in stage.command()
    assert f"--max_macs={budget.max_macs}" in stage.command()


class StopAt(keras.callbacks.Callback):
    """Sends SIGINT at a step of a round."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_begin(self, batch, logs=None):
        if self.model.optimizer.iterations == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
def test_a_stage_that_is_stopped_in_every_round_resumes(float_run, recipe, monkeypatch):
    budget = share_of_macs(float_run, 0.6)
    original, rounds = slim_stage.fit, []
    # A round has one epoch of nine steps.
    stops = {1: 3, 2: 0, 3: 7}

    def fit(model, *arguments, **options):
        number = options["inputs"]["round"]
        stop = StopAt(stops[number]) if number not in rounds else None
        rounds.append(number)
        callbacks = [stop] if stop else []
        return original(model, *arguments, callbacks=callbacks, **options)

    monkeypatch.setattr(slim_stage, "fit", fit)
    for number in stops:
        with pytest.raises(KeyboardInterrupt):
            slim(*open_run(float_run), budget, recipe)
        begun = Run.open(float_run).stage("slim")
        assert begun.is_begun()
        assert "--method=channels" in begun.command()
        assert rounds[-1] == number
    stage = slim(*open_run(float_run), budget, recipe)
    assert rounds == [1, 1, 2, 2, 3, 3]
    assert len(stage.metrics()["history"]) == 3
    resumed = load_model(stage.model_path)

    whole = slim(*open_run(float_run), budget, recipe, overwrite=True)
    shapes = [x.shape for x in load_model(whole.model_path).get_weights()]
    assert [x.shape for x in resumed.get_weights()] == shapes
    assert whole.metrics()["predicted"] == stage.metrics()["predicted"]


@pytest.mark.slow
def test_a_board_decides_by_its_latencies(float_run, recipe, tmp_path):
    # On this board, a convolution takes its multiply-accumulates in milliseconds.
    board = tmp_path / "board.json"
    write_table(LatencyTable("a board", "litert 2.3"), board)
    run, data = open_run(float_run)
    with pytest.raises(RequestError, match=r"lacks \d+ of \d+ operators; copy .*json"):
        slim(run, data, Budget(board=str(board)), recipe)
    operators = read_layers(float_run / "slim" / "layers.json")
    times = {x.key: count_macs(x) for x in operators}
    write_table(LatencyTable("a board", "litert 2.3", milliseconds=times), board)

    stage = slim(run, data, Budget(board=str(board)), recipe)
    before = stage.metrics()["predicted_before"]["latency_ms"]
    assert stage.metrics()["predicted"]["latency_ms"] <= 0.7 * before
    assert f"--board={board}" in stage.command()

    # Operators of other networks were measured later, and the file was moved.
    former, made = board, stage.metrics()
    board = board.rename(tmp_path / "pi.json")
    more = {**times, "conv of another network": 1.0}
    write_table(LatencyTable("a board", "litert 2.3", milliseconds=more), board)
    assert slim(run, data, Budget(board=str(board)), recipe).metrics() == made
    # This network's operators were measured again.
    slower = {key: 2 * ms for key, ms in times.items()}
    write_table(LatencyTable("a board", "litert 2.3", milliseconds=slower), former)
    with pytest.raises(RequestError, match=r"other settings \(latencies"):
        slim(run, data, Budget(board=str(former)), recipe)


@pytest.mark.slow
def test_without_a_limit_the_latency_here_becomes_0_7_of_it(float_run, recipe):
    run, data = open_run(float_run)
    folder = run.stage("slim").path
    folder.mkdir()
    # Real times would depend on what else this machine does.
    operators = list_operators(load_model(run.stage("float").model_path))
    times = {x.key: count_macs(x) for x in operators}
    here = LatencyTable.of_this_machine().with_times(times)
    write_table(here, folder / "latencies.json")
    stage = slim(run, data, Budget(), recipe)
    before = stage.metrics()["predicted_before"]["latency_ms"]
    assert 0.6 * before <= stage.metrics()["predicted"]["latency_ms"] <= 0.7 * before
    assert "--board" not in stage.command()


@pytest.mark.slow
def test_zeros_in_all_channels_are_refused(small_copy, recipe):
    run, data = open_run(small_copy)
    with pytest.raises(RequestError, match=r"pruned has all channels.*; delete it"):
        slim(run, data, Budget(max_macs=1e5), recipe)
    assert not run.stage("slim").path.exists()


def read_layers(path):
    from corallite.device.benchmark.layers.latency_table import read_operators

    operators = read_operators(path)
    assert all(isinstance(x, Operator) for x in operators)
    return operators


@pytest.mark.slow
@pytest.mark.parametrize("most", [0, 10])
def test_a_budget_that_cannot_be_kept_is_refused(float_run, recipe, most):
    with pytest.raises(RequestError, match=rf"No widths .* are within {most} multiply"):
        slim(*open_run(float_run), Budget(max_macs=most), recipe)


@pytest.mark.slow
@pytest.mark.parametrize("share", [1.0, 2.0])
def test_a_budget_that_the_network_keeps_already_is_refused(float_run, recipe, share):
    budget = share_of_macs(float_run, share)
    with pytest.raises(RequestError, match="already has [0-9,]+ multiply.* lower lim"):
        slim(*open_run(float_run), budget, recipe)


def test_epochs_are_divided_among_the_rounds():
    divide = slim_stage._divide
    assert divide(15) == [2, 2, 11]
    assert divide(3) == [1, 1, 1]
    assert divide(1) == [1]
    assert all(np.sum(divide(x)) == x for x in range(1, 40))
