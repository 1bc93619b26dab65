"""The command `corallite train`, killed and gone on with, and what it refuses."""

import dataclasses
import json
import re
import signal
from pathlib import Path

import numpy as np
import pytest
from fixtures.programs import FEW_UNITS
from fixtures.torch_checkpoints import write_checkpoint

from corallite.device.image.opencv import cv2
from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import keras
from corallite.train.models import cost, registry
from corallite.train.models.network import Network
from corallite.train.runs.accuracy import describe_accuracy
from corallite.train.runs.recipe import TRAIN
from corallite.train.runs.run import Run
from corallite.train.runs.stage import STATE_FILE
from corallite.train.training.fit import fit
from corallite.train.training.float_stage import train as train_run
from corallite.train.training.initialization import initialize
from corallite.train.training.recipe import Recipe, Transfer
from corallite.train.weights.torchvision import export_weights

NETWORK = Network("shufflenet_v2", 0.25, (32, 32))
# 60 training images: 6 steps an epoch.
RECIPE = Recipe(epochs=5, batch_size=10, learning_rate=0.05)
COUNTS = {"cat": 25, "dog": 25, "wombat": 25}
OUR_LINE = re.compile(r"[IWE]\d{4} .* \w+\.py:\d+\] |corallite: ")


@pytest.fixture(scope="module", autouse=True)
def small_network(few_units):
    """What `start_command` trains, for what is trained in this process."""
    with few_units(shufflenet=(1, 2, 1)):
        yield


@pytest.fixture(scope="module")
def start_command(programs):
    """Starts `corallite train`: (data_dir, run_dir, *flags)."""
    settings = ["--model=shufflenet_v2", "--width=0.25", "--image_size=32"]
    settings += ["--batch_size=10", "--learning_rate=0.05", "--epochs=5"]
    return lambda data_dir, run_dir, *flags: programs.start(
        "train",
        *(f"--data_dir={data_dir}", f"--run_dir={run_dir}", *settings, *flags),
        before=FEW_UNITS,
    )


def signal_after(process, shown, number):
    """Sends a signal once stderr shows a text; returns status, stdout and stderr."""
    done = process.signal_after(
        lambda: shown in process.stderr_path.read_text(), number
    )
    return done.returncode, done.stdout, done.stderr


def train(data_dir, run_dir, *arguments, **options):
    return train_run(data_dir, Run.open(run_dir), *arguments, **options)[0]


def load_weights(run_dir):
    path = run_dir / "float" / "model.h5"
    return keras.models.load_model(path, compile=False).get_weights()


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    for number, (name, count) in enumerate(COUNTS.items()):
        (folder / name).mkdir()
        for image_number in range(count):
            image = rng.integers(0, 120, (32, 32, 3), np.uint8)
            image[..., number] += 100
            cv2.imwrite(str(folder / name / f"{image_number}.png"), image)
    return folder


@pytest.fixture(scope="module")
def finished(data_dir, small_network, tmp_path_factory):
    """A run that nothing disturbed, trained in this process."""
    stage = train(data_dir, tmp_path_factory.mktemp("run"), NETWORK, RECIPE)
    return stage.run.path


@pytest.mark.slow
def test_terminated_killed_and_gone_on_with_it_ends_the_same(
    data_dir, finished, start_command, tmp_path
):
    def begin(*flags):
        return start_command(data_dir, tmp_path / "run", *flags)

    status, stdout, stderr = signal_after(begin(), "epoch 1/5", signal.SIGTERM)
    assert (status, stdout) == (143, "")
    assert "run the same command to resume" in stderr.splitlines()[-1]
    assert [line for line in stderr.splitlines() if not OUR_LINE.match(line)] == []

    status, _, stderr = signal_after(begin(), "epoch 3/5", signal.SIGKILL)
    assert status == -signal.SIGKILL
    assert "epoch 1/5" not in stderr

    done = begin().finish()
    stdout, stderr = done.stdout, done.stderr
    assert done.returncode == 0, stderr
    assert "epoch 3/5" not in stderr
    assert "model.h5: validation accuracy" in stdout
    assert [line for line in stderr.splitlines() if not OUR_LINE.match(line)] == []

    metrics, expected = (
        Run.open(folder).stage("float").metrics()
        for folder in (tmp_path / "run", finished)
    )
    assert len(metrics["history"]) == 5
    assert metrics["best_epoch"] == expected["best_epoch"]
    assert metrics["history"][-1]["val_loss"] == pytest.approx(
        expected["history"][-1]["val_loss"], rel=1e-3
    )
    assert not (tmp_path / "run" / "float" / STATE_FILE).exists()
    # The same steps; only sums over threads may be added up in another order.
    for mine, theirs in zip(
        load_weights(tmp_path / "run"), load_weights(finished), strict=True
    ):
        np.testing.assert_allclose(mine, theirs, rtol=1e-3, atol=1e-4)


@pytest.mark.slow
def test_a_finished_run_holds_what_later_steps_need(finished):
    stage = Run.open(finished).stage("float")
    metrics = stage.metrics()
    assert len(metrics["history"]) == RECIPE.epochs
    assert metrics["parameters"] < 200_000
    assert metrics["inputs"]["recipe"]["epochs"] == 5
    # One more, and every run that was made before would be of other settings.
    settings = {"model", "width", "size_hw", "recipe", "preprocessing", "data"}
    assert set(metrics["inputs"]) == settings
    assert list(stage.path.glob("tensorboard/train/events*"))
    assert list(stage.path.glob("tensorboard/validation/events*"))
    left = {path.name for path in stage.path.iterdir()}
    assert left == {"metrics.json", "model.h5", "tensorboard"}


@pytest.mark.slow
def test_what_is_done_is_not_done_again(data_dir, finished):
    before = (finished / "float" / "model.h5").stat()
    train(data_dir, finished, NETWORK, RECIPE)
    assert (finished / "float" / "model.h5").stat() == before


@pytest.mark.slow
def test_a_record_that_is_gone_is_written_again(data_dir, finished):
    path = finished / "run.json"
    before = path.read_text()
    path.unlink()
    train(data_dir, finished, NETWORK, RECIPE)
    assert path.read_text() == before


def snapshot(folder):
    return {
        path: (path.stat().st_mtime_ns, path.stat().st_size)
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "recipe", "difference"),
    [
        (NETWORK, {"epochs": 3}, "(epochs 5, now 3)"),
        ({"width": 0.5}, {}, "(width 0.25, now 0.5)"),
        ({"size_hw": (64, 64)}, {}, "(size_hw [32, 32], now [64, 64])"),
        ({"model": "mobilenet_v2"}, {}, "(model shufflenet_v2, now mobilenet_v2)"),
    ],
)
def test_other_settings_are_refused_and_change_nothing(
    data_dir, finished, network, recipe, difference
):
    changes = {} if network is NETWORK else network
    before = snapshot(finished)
    with pytest.raises(RequestError, match=re.escape(difference)):
        train(
            data_dir,
            finished,
            dataclasses.replace(NETWORK, **changes),
            dataclasses.replace(RECIPE, **recipe),
        )
    assert snapshot(finished) == before


@pytest.mark.slow
def test_another_data_set_is_refused_and_changes_nothing(
    finished, make_classes, write_image
):
    before = snapshot(finished)
    with pytest.raises(RequestError, match="choose a new --run_dir"):
        train(make_classes(COUNTS), finished, NETWORK, RECIPE)
    assert snapshot(finished) == before


def stand_in(input_shape, num_classes, *, width, conventions):
    """Builds in no time what has the arguments of a network."""
    image = keras.Input(input_shape)
    x = keras.layers.Conv2D(4, 3, 4)(image)
    x = keras.layers.Dense(num_classes)(keras.layers.Flatten()(x))
    return keras.Model(image, keras.layers.Softmax()(x))


@pytest.mark.slow
def test_an_unfinished_training_is_not_lost_to_other_settings(
    data_dir, tmp_path, monkeypatch
):
    entry = dataclasses.replace(registry.NETWORKS["shufflenet_v2"], build=stand_in)
    monkeypatch.setitem(registry.NETWORKS, "shufflenet_v2", entry)
    recipe = dataclasses.replace(RECIPE, epochs=2)
    run_dir, stage = tmp_path / "run", Run.open(tmp_path / "run").first()

    def stop(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        # Killed when everything is trained and nothing written.
        patch.setattr("corallite.train.training.finish_stage.save_model", stop)
        with pytest.raises(KeyboardInterrupt):
            train(data_dir, run_dir, NETWORK, recipe)
    other = dataclasses.replace(recipe, epochs=1)
    before = snapshot(run_dir)
    with pytest.raises(RequestError, match=r"was begun .* \(epochs 2, now 1\)"):
        train(data_dir, run_dir, NETWORK, other)
    assert snapshot(run_dir) == before
    train(data_dir, run_dir, NETWORK, other, overwrite=True)
    assert len(stage.metrics()["history"]) == 1
    assert (
        json.loads((run_dir / "run.json").read_text())["network"]["recipe"]["epochs"]
        == 1
    )


@pytest.fixture(scope="module")
def trained(data_dir, finished, start_command, tmp_path_factory):
    """A run that began with the weights of `finished`, was killed and went on."""
    weights, run_dir = finished / "float" / "model.h5", tmp_path_factory.mktemp("run")
    process = start_command(
        data_dir, run_dir, f"--weights={weights}", "--nofreeze", "--epochs=3"
    )
    status, _, stderr = signal_after(process, "epoch 2/3", signal.SIGKILL)
    assert status == -signal.SIGKILL, stderr
    assert f"{weights}; its head of 3 classes is kept" in stderr
    transfer = Transfer(str(weights), is_frozen=False)
    recipe = dataclasses.replace(RECIPE, epochs=3)
    train(data_dir, run_dir, NETWORK, recipe, transfer=transfer)
    return run_dir, recipe, transfer


@pytest.mark.slow
def test_a_training_continues_from_weights(trained, finished):
    metrics, parent = (
        Run.open(folder).stage("float").metrics() for folder in (trained[0], finished)
    )
    assert len(metrics["history"]) == 3
    best = parent["history"][parent["best_epoch"]]["val_accuracy"]
    # Of 9 images, one may fall to the other side while the head moves.
    assert metrics["history"][0]["val_accuracy"] >= best - 0.12
    assert metrics["inputs"]["frozen"] is False
    # What follows trains all layers on, but for the averages that came with them.
    first, last = (
        keras.models.load_model(Run.open(folder).first().model_path, compile=False)
        for folder in (finished, trained[0])
    )
    for before, after in zip(first.layers, last.layers, strict=True):
        is_norm = isinstance(after, keras.layers.BatchNormalization)
        assert after.trainable == (not is_norm)
        if is_norm:
            np.testing.assert_array_equal(before.get_weights(), after.get_weights())


@pytest.mark.slow
def test_other_weights_are_other_settings(data_dir, trained, tmp_path):
    run_dir, recipe, transfer = trained
    weights = tmp_path / "model.h5"
    # The same with a byte more behind it.
    weights.write_bytes(Path(transfer.weights).read_bytes() + b"\0")
    before = snapshot(run_dir)
    others = {
        r"\(weights \w{16}, now None, frozen False, now None\)": None,
        r"\(weights \w{16}, now \w{16}\)": Transfer(str(weights), is_frozen=False),
        r"\(frozen False, now True": dataclasses.replace(transfer, is_frozen=True),
    }
    for message, other in others.items():
        with pytest.raises(RequestError, match=message):
            train(data_dir, run_dir, NETWORK, recipe, transfer=other)
    assert snapshot(run_dir) == before
    stage = train(data_dir, run_dir, NETWORK, recipe, transfer=transfer)
    assert snapshot(stage.path).items() <= before.items()


@pytest.fixture(scope="module")
def fitted(data_dir, tmp_path_factory):
    """A run whose head was fitted to pretrained weights of five classes, and those."""
    folder = tmp_path_factory.mktemp("fitted")
    keras.utils.set_random_seed(1)
    model = registry.build("mobilenet_v2", (32, 32, 3), 5, width=0.25)
    write_checkpoint(folder / "w.pth", export_weights(model, 0.25))
    network = Network("mobilenet_v2", 0.25, (32, 32))
    arguments = data_dir, folder / "run", network, TRAIN
    options = {"transfer": Transfer(str(folder / "w.pth"))}
    train(*arguments, **options)
    return arguments, options


@pytest.mark.slow
def test_a_few_photos_fit_a_head_and_change_nothing_else(fitted):
    (data_dir, run_dir, network, _), options = fitted
    stage = Run.open(run_dir).first()
    metrics = stage.metrics()
    assert metrics["inputs"]["frozen"] and metrics["history"] == []
    assert f" --weights={options['transfer'].weights} --freeze " in stage.command()
    accuracy = metrics["head"]["accuracy"]
    assert describe_accuracy(stage).startswith(f"accuracy {accuracy:.4f} in 5 folds")
    start = initialize(network, options["transfer"])
    given, made = start.build(3), keras.models.load_model(stage.model_path)
    assert cost.count_parameters(made) == metrics["parameters"]
    for before, after in zip(given.layers, made.layers, strict=True):
        if after.name != "logits":
            np.testing.assert_equal(before.get_weights(), after.get_weights())


@pytest.mark.slow
def test_a_fitted_head_is_not_fitted_again_and_nothing_else_fits_its_run(fitted):
    arguments, options = fitted
    before = snapshot(arguments[1])
    stage = train(*arguments, **options)
    assert snapshot(stage.path).items() <= before.items()
    # Its images to validate are trained on, so that no epoch can be chosen by them.
    for transfer in (None, dataclasses.replace(options["transfer"], is_frozen=False)):
        with pytest.raises(RequestError, match="choose a new --run_dir to train all"):
            train(*arguments, transfer=transfer, overwrite=True)
    assert snapshot(arguments[1]) == before


@pytest.mark.slow
def test_weights_that_do_not_fit_are_refused_before_the_images_are_read(
    finished, start_command, tmp_path
):
    weights = finished / "float" / "model.h5"
    process = start_command(
        tmp_path / "none", tmp_path / "run", f"--weights={weights}", "--width=0.5"
    )
    done = process.finish()
    stderr = done.stderr
    assert (done.returncode, done.stdout) == (2, "")
    assert [line for line in stderr.splitlines() if not OUR_LINE.match(line)] == []
    assert "layer 'stage2_unit0_branch_in' has shape" in stderr.splitlines()[-1]
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_mixed_precision_trains_in_float16_and_saves_float32(
    data_dir, tmp_path, monkeypatch
):
    trained = []

    def fit_and_remember(model, *arguments, **options):
        trained.append(model)
        return fit(model, *arguments, **options)

    monkeypatch.setattr("corallite.train.training.float_stage.fit", fit_and_remember)
    # As if there were a GPU: the choice is what is tested, and float16 works on CPUs.
    asked = "corallite.train.training.recipe.has_tensor_cores"
    monkeypatch.setattr(asked, lambda: True)
    recipe = dataclasses.replace(RECIPE, epochs=1, mixed_precision=None)
    stage = train(data_dir, tmp_path / "run", NETWORK, recipe)
    monkeypatch.setattr(asked, lambda: False)  # It resumes on another machine.
    assert train(data_dir, tmp_path / "run", NETWORK, recipe).is_complete()
    assert len(trained) == 1 and trained[0].jit_compile
    assert stage.metrics()["inputs"]["recipe"]["mixed_precision"] is True
    assert "--mixed_precision" in stage.command()
    assert trained[0].get_layer("stage3_end_concat").compute_dtype == "float16"
    assert "LossScale" in type(trained[0].optimizer).__name__
    assert trained[0].output.dtype == "float32"
    assert keras.mixed_precision.global_policy().name == "float32"
    loss = stage.metrics()["history"][0]["loss"]
    assert 0 < loss < 10
    model = keras.models.load_model(stage.model_path, compile=False)
    assert {layer.dtype_policy.name for layer in model.layers} == {"float32"}
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    for mine, theirs in zip(model.get_weights(), trained[0].get_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
