"""Trainings that are stopped, killed, stalled or out of disk, on a stand-in network."""

import dataclasses
import errno
import signal
import subprocess

import numpy as np
import pytest

from corallite.device.image.preprocess import Preprocessing
from corallite.device.system.errors import RequestError
from corallite.train.data.load import ImageData, Split
from corallite.train.framework.keras import keras, tf
from corallite.train.runs.stage import STATE_FILE
from corallite.train.training import fit as fitting
from corallite.train.training import progress
from corallite.train.training.fit import discard_state
from corallite.train.training.objectives import classify
from corallite.train.training.recipe import Recipe
from corallite.train.training.teaching.distil import distil, predict_with

# 40 images in batches of 10: 4 steps an epoch, 12 in all.
RECIPE = Recipe(epochs=3, batch_size=10, learning_rate=0.05, warmup_epochs=0.5)
STEPS = 4
INPUTS = {"recipe": dataclasses.asdict(RECIPE), "data": "these"}


def make_split(counts, seed=0):
    """Images whose class is the brightest of their colours."""
    labels = np.repeat(np.arange(len(counts)), counts)
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 150, (len(labels), 8, 8, 3), np.uint8)
    images[np.arange(len(labels)), :, :, labels] += 60
    paths = tuple(f"{seed}_{n}" for n in range(len(labels)))
    return Split(images, labels, paths)


def make_data(train=(20, 20), val=(6, 6)):
    splits = {"train": make_split(train), "val": make_split(val, seed=1)}
    names = tuple("abc"[: len(train)])
    return ImageData(names, Preprocessing((8, 8)), "these", splits)


def make_model(num_classes=2):
    keras.utils.set_random_seed(3)
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, use_bias=False, name="conv")(image)
    x = keras.layers.BatchNormalization(name="conv_bn")(x)
    x = keras.layers.ReLU()(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(num_classes, name="logits")(x)
    return keras.Model(image, keras.layers.Softmax()(x))


def fit(model, data, recipe, stage_dir, **options):
    options = {"objective": classify(data, recipe), "inputs": INPUTS, **options}
    return fitting.fit(model, data, recipe, stage_dir, **options)


class At(keras.callbacks.Callback):
    """Does something at the end of one of this process's steps, counted from 1."""

    def __init__(self, step, action):
        super().__init__()
        self.step, self.action, self.taken = step, action, 0

    def on_train_batch_end(self, batch, logs=None):
        self.taken += 1
        if self.taken == self.step:
            self.action()


def run(stage_dir, *callbacks):
    """Trains as RECIPE says; returns the model, with its last weights, and progress."""
    model = make_model()
    progress = fit(
        model,
        make_data(),
        RECIPE,
        stage_dir,
        inputs=INPUTS,
        callbacks=callbacks,
        keep_best=False,
    )
    return model, progress


class Killed(Exception):
    """Stands in for SIGKILL: nothing that is ours sees it coming."""


def kill():
    raise Killed


def counting_steps():
    return At(10**9, kill)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Weights and progress of a training that nothing disturbed."""
    model, progress = run(tmp_path_factory.mktemp("uninterrupted") / "float")
    return model.get_weights(), progress


def test_a_step_is_traced_once(tmp_path):
    # Twice, if the first step makes variables: seconds for every stage of a real run.
    model, _ = run(tmp_path / "float")
    assert model.train_function.experimental_get_tracing_count() == 1


def assert_same_training(model, progress, uninterrupted):
    weights, expected = uninterrupted
    assert len(progress.history) == len(expected.history)
    assert progress.best_epoch == expected.best_epoch
    assert progress.history[-1]["val_loss"] == pytest.approx(
        expected.history[-1]["val_loss"], rel=1e-4
    )
    # The same operations on the same numbers, to the last bit where this was written;
    # threads may add up the parts of a sum in another order elsewhere.
    for mine, theirs in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-5)


def test_training_learns_and_keeps_its_state(uninterrupted, tmp_path):
    _, progress = uninterrupted
    assert [set(record) for record in progress.history] == 3 * [
        {"loss", "accuracy", "val_loss", "val_accuracy", "seconds"}
    ]
    assert progress.history[-1]["loss"] < progress.history[0]["loss"]
    accuracies = [record["val_accuracy"] for record in progress.history]
    assert progress.best["val_accuracy"] == max(accuracies)


def test_the_same_seed_gives_the_same_first_epoch(uninterrupted, tmp_path):
    _, progress = uninterrupted
    _, again = run(tmp_path / "float")
    assert again.history[0]["loss"] == pytest.approx(
        progress.history[0]["loss"], rel=1e-5
    )


@pytest.mark.parametrize("step", [2, 4, 7])
def test_a_killed_training_repeats_the_epoch_and_ends_the_same(
    step, uninterrupted, tmp_path
):
    # Before the first state, before the end of an epoch, in the middle of the second.
    stage_dir = tmp_path / "float"
    with pytest.raises(Killed):
        run(stage_dir, At(step, kill))
    steps = counting_steps()
    model, progress = run(stage_dir, steps)
    assert steps.taken == 3 * STEPS - (step - 1) // STEPS * STEPS
    assert_same_training(model, progress, uninterrupted)


# The signal's step, and the one that is the last to be taken: the state is kept by the
# first of the callbacks and the signal sent by a later one.
@pytest.mark.parametrize(
    ("number", "step", "last_step"),
    [(signal.SIGINT, 1, 2), (signal.SIGTERM, 4, 4), (signal.SIGTERM, 6, 7)],
)
def test_a_signal_saves_the_step_and_is_delivered(
    number, step, last_step, uninterrupted, tmp_path, caplog
):
    stage_dir, delivered = tmp_path / "float", []

    def handle(signal_number, frame):
        delivered.append(signal_number)
        raise KeyboardInterrupt

    def send():
        assert not delivered
        signal.raise_signal(number)

    former = signal.signal(number, handle)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(stage_dir, At(step, send))
        assert signal.getsignal(number) is handle
    finally:
        signal.signal(number, former)
    assert delivered == [number]
    steps = counting_steps()
    model, progress = run(stage_dir, steps)
    assert f"Stopped at step {last_step} of 12; run the same command" in caplog.text
    assert last_step + steps.taken == 3 * STEPS
    assert_same_training(model, progress, uninterrupted)


def test_a_finished_training_that_was_killed_before_its_model_was_saved(
    uninterrupted, tmp_path
):
    stage_dir = tmp_path / "float"
    run(stage_dir)
    steps = counting_steps()
    model, progress = run(stage_dir, steps)
    assert steps.taken == 0
    assert_same_training(model, progress, uninterrupted)
    # Of a process that was killed while it saved.
    half = stage_dir / ".training_state.12af.part.npz"
    half.touch()
    discard_state(stage_dir)
    assert not (stage_dir / STATE_FILE).exists()
    assert not half.exists()


def test_a_state_of_other_inputs_is_not_used(tmp_path):
    stage_dir = tmp_path / "float"
    recipe = dataclasses.replace(RECIPE, epochs=1)
    fit(make_model(), make_data(), recipe, stage_dir, inputs={"parent": "a"})
    steps = counting_steps()
    fit(
        make_model(),
        make_data(),
        recipe,
        stage_dir,
        inputs={"parent": "b"},
        callbacks=[steps],
    )
    assert steps.taken == STEPS


def flat_recipe(**changes):
    """With a learning rate of 0, the validation accuracy never changes."""
    return dataclasses.replace(RECIPE, learning_rate=0.0, epochs=6, **changes)


def test_patience_ends_a_training_and_resuming_does_not_go_on(tmp_path):
    recipe, stage_dir = flat_recipe(patience=2), tmp_path / "float"
    model = make_model()
    # Batch norm's averages move even so; without them nothing does.
    model.get_layer("conv_bn").trainable = False
    progress = fit(model, make_data(), recipe, stage_dir, inputs=INPUTS)
    assert len(progress.history) == 3
    assert progress.best_epoch == 0
    steps = counting_steps()
    resumed = fit(
        model, make_data(), recipe, stage_dir, inputs=INPUTS, callbacks=[steps]
    )
    assert steps.taken == 0
    assert resumed == progress


class SpoilWeights(keras.callbacks.Callback):
    """Makes the network answer at random from the second epoch on."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch:
            logits = self.model.get_layer("logits")
            logits.set_weights([0 * w for w in logits.get_weights()])


@pytest.mark.parametrize("keep_best", [True, False])
def test_the_best_weights_are_kept_on_request(keep_best, tmp_path):
    data, recipe = make_data(), flat_recipe()
    recipe = dataclasses.replace(recipe, epochs=2)
    model = make_model()
    model.get_layer("conv_bn").trainable = False
    # Answers "a" for nothing and "b" for all: right for the 8 of 12 that are "b".
    model.get_layer("logits").set_weights([np.zeros((4, 2)), np.array([0.0, 5.0])])
    data = make_data(val=(4, 8))
    fit(
        model,
        data,
        recipe,
        tmp_path / "float",
        inputs=INPUTS,
        callbacks=[SpoilWeights()],
        keep_best=keep_best,
    )
    bias = model.get_layer("logits").get_weights()[1]
    assert bias.tolist() == ([0.0, 5.0] if keep_best else [0.0, 0.0])


def test_images_that_are_trained_on_choose_no_epoch(tmp_path):
    data = make_data()
    shared = {"train": data.splits["train"], "val": data.splits["train"]}
    data, model = dataclasses.replace(data, splits=shared), make_model()
    recipe = dataclasses.replace(flat_recipe(), epochs=2)
    callbacks = [SpoilWeights()]
    fit(model, data, recipe, tmp_path / "float", inputs=INPUTS, callbacks=callbacks)
    # The second epoch is worse than the first, and kept.
    assert not model.get_layer("logits").get_weights()[1].any()


@pytest.mark.parametrize("higher_is_better", [True, False])
def test_the_objective_decides_which_epoch_is_the_best(higher_is_better, tmp_path):
    data, recipe, model = make_data(val=(4, 8)), flat_recipe(), make_model()
    recipe = dataclasses.replace(recipe, epochs=2)
    model.get_layer("conv_bn").trainable = False
    model.get_layer("logits").set_weights([np.zeros((4, 2)), np.array([0.0, 5.0])])
    objective = dataclasses.replace(
        classify(data, recipe), higher_is_better=higher_is_better
    )
    # The second epoch has 4 of 12 right, the first 8.
    progress = fit(
        model,
        data,
        recipe,
        tmp_path / "float",
        objective=objective,
        callbacks=[SpoilWeights()],
    )
    assert progress.best_epoch == (0 if higher_is_better else 1)


@pytest.mark.parametrize("balance_classes", [True, False])
def test_a_rare_class_weighs_as_much_as_a_frequent_one(balance_classes, tmp_path):
    recipe = Recipe(
        epochs=1,
        batch_size=40,
        learning_rate=0.0,
        label_smoothing=0.0,
        balance_classes=balance_classes,
    )
    model = make_model()
    model.get_layer("logits").set_weights([np.zeros((4, 2)), np.array([0.0, 2.0])])
    data = make_data(train=(4, 36))
    progress = fit(model, data, recipe, tmp_path / "float", inputs=INPUTS)
    rare, frequent = np.log(1 + np.exp(2.0)), np.log(1 + np.exp(-2.0))
    share = 0.5 if balance_classes else 0.1
    expected = share * rare + (1 - share) * frequent
    assert progress.history[0]["loss"] == pytest.approx(expected, rel=1e-5)


class ScaleLogits(keras.callbacks.Callback):
    """Multiplies the weights of the last layer when the second epoch begins."""

    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 1:
            logits = self.model.get_layer("logits")
            logits.set_weights([self.factor * w for w in logits.get_weights()])


@pytest.mark.parametrize(
    ("factor", "loss", "step"),
    [(np.nan, "nan", 1), (1e30, r"\d\S*e\+2\d", STEPS), (1e38, "inf|nan", 1)],
)
def test_a_diverged_training_is_reported_and_keeps_the_state_before(
    factor, loss, step, tmp_path
):
    recipe, stage_dir = dataclasses.replace(RECIPE, learning_rate=0.0), tmp_path / "f"
    steps = counting_steps()
    message = (
        rf"diverged in epoch 2 \(the loss is ({loss})\); run the same command again "
        "with --overwrite and, below 0, --learning_rate"
    )
    with pytest.raises(RequestError, match=message):
        fit(
            make_model(),
            make_data(),
            recipe,
            stage_dir,
            # Counts before the step that is refused.
            callbacks=[ScaleLogits(factor), steps],
        )
    # A loss that is not a number ends the epoch at once.
    assert STEPS + step - 1 <= steps.taken <= STEPS + step
    progress = fit(make_model(), make_data(), recipe, stage_dir, inputs=INPUTS)
    assert len(progress.history) == 3


class SpoilAverages(keras.callbacks.Callback):
    """Changes what a batch norm subtracts, after the steps of each epoch."""

    def __init__(self, mean):
        super().__init__()
        self.mean = mean

    def on_test_begin(self, logs=None):
        layer = self.model.get_layer("conv_bn")
        layer.moving_mean.assign(np.full(4, self.mean, np.float32))


def test_a_huge_validation_loss_is_one_warning(tmp_path, caplog):
    fit(
        make_model(),
        make_data(),
        dataclasses.replace(RECIPE, epochs=2),
        tmp_path / "float",
        callbacks=[SpoilAverages(-1e6)],
    )
    texts = [x.getMessage() for x in caplog.records if "validation loss" in x.msg]
    (warning,) = texts
    assert "The validation loss of the float training is " in warning
    assert "in epoch 1; if it does not fall, lower --learning_rate." in warning


@pytest.mark.parametrize("keep_best", [True, False])
def test_a_network_that_predicts_no_numbers_is_refused(keep_best, tmp_path):
    with pytest.raises(RequestError, match=r"diverged \(the validation loss is nan\)"):
        fit(
            make_model(),
            make_data(),
            dataclasses.replace(RECIPE, epochs=1),
            tmp_path / "float",
            callbacks=[SpoilAverages(-np.inf)],
            keep_best=keep_best,
        )


def test_lack_of_memory_is_reported_with_a_remedy(tmp_path):
    model = make_model()
    # More than a process can address.
    hoard = keras.layers.Lambda(
        lambda x: x + tf.cast(tf.fill([2**50], x[0, 0])[0], x.dtype)
    )
    model = keras.Model(model.input, hoard(model.output))
    message = "ran out of memory; begin again with .*, below 10, --batch_size"
    with pytest.raises(RequestError, match=message):
        fit(model, make_data(), RECIPE, tmp_path / "float", inputs=INPUTS)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MB."""
    path = tmp_path / "small"
    path.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(command, capture_output=True).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("Mounting a small file system is not permitted here")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.mark.parametrize("room", [0, 5_000])
def test_a_full_disk_is_named_and_the_state_before_it_is_used(
    room, small_disk, uninterrupted, tmp_path
):
    stage_dir, filler = small_disk / "float", small_disk / "filler"

    def fill_disk():
        with filler.open("wb", buffering=0) as file:
            try:
                while file.write(bytes(4096)):
                    pass
            except OSError:
                pass
        with filler.open("r+b") as file:
            file.truncate(filler.stat().st_size - room // 4096 * 4096)

    with pytest.raises(OSError, match="No space left") as caught:
        run(stage_dir, At(STEPS + 2, fill_disk))
    assert caught.value.errno == errno.ENOSPC
    assert str(stage_dir) in caught.value.filename
    filler.unlink()
    steps = counting_steps()
    model, progress = run(stage_dir, steps)
    assert steps.taken in (STEPS, 2 * STEPS)
    assert_same_training(model, progress, uninterrupted)


@pytest.mark.parametrize(
    ("free_mb", "told"),
    [(None, ""), (4_000, ""), (681, "0.7 GB are free; give --batch_size"), (1, "1 or")],
)
def test_a_batch_beyond_the_free_memory_is_told(
    free_mb, told, tmp_path, monkeypatch, caplog
):
    free = None if free_mb is None else free_mb * 10**6
    monkeypatch.setattr(progress.memory, "read_available_bytes", lambda: free)
    recipe = dataclasses.replace(RECIPE, epochs=1)
    fit(make_model(), make_data(), recipe, tmp_path / "float", inputs=INPUTS)
    assert ("GB of memory" in caplog.text) == bool(told)
    assert told in caplog.text


def test_a_taught_training_resumes_as_if_it_had_not_stopped(tmp_path):
    """With mixed images: the teacher is asked for the same ones again."""
    teacher = make_model()
    recipe = dataclasses.replace(RECIPE, mixup_alpha=0.2, cutmix_alpha=1.0)

    def train(folder, *callbacks):
        model, data = make_model(), make_data()
        objective = distil(classify(data, recipe), predict_with(teacher))
        progress = fit(
            model,
            data,
            recipe,
            tmp_path / folder,
            objective=objective,
            callbacks=callbacks,
            keep_best=False,
        )
        return model, progress

    model, expected = train("whole")
    assert model.train_function.experimental_get_tracing_count() == 1
    with pytest.raises(Killed):
        train("stopped", At(STEPS + 2, kill))
    steps = counting_steps()
    resumed, progress = train("stopped", steps)
    assert steps.taken == 2 * STEPS
    assert_same_training(resumed, progress, (model.get_weights(), expected))
    assert {"accuracy", "val_accuracy"} <= progress.history[0].keys()


AVERAGED = dataclasses.replace(RECIPE, ema=0.6)


def run_averaged(stage_dir, *callbacks, keep_best=False):
    model = make_model()
    progress = fit(
        model,
        make_data(),
        AVERAGED,
        stage_dir,
        callbacks=callbacks,
        keep_best=keep_best,
    )
    return model, progress


class Follow(keras.callbacks.Callback):
    """Averages in NumPy; notes the weights that validation has."""

    def on_train_batch_end(self, batch, logs=None):
        weights = self.model.get_weights()
        step = int(self.model.optimizer.iterations)
        momentum = min(0.6, (1 + step) / (10 + step))
        former = getattr(self, "average", self.first)
        pairs = zip(former, weights, strict=True)
        self.average = [momentum * x + (1 - momentum) * y for x, y in pairs]

    def on_train_begin(self, logs=None):
        if not hasattr(self, "first"):
            self.first = self.model.get_weights()

    def on_test_end(self, logs=None):
        self.validated = self.model.get_weights()


def test_the_average_of_the_weights_is_validated_and_kept(tmp_path):
    """Those of batch norms too; training goes on with the weights themselves."""
    follow = Follow()
    model, _ = run_averaged(tmp_path / "float", follow)
    last = (follow.validated, model.get_weights())
    for expected, *found in zip(follow.average, *last, strict=True):
        for weights in found:
            np.testing.assert_allclose(weights, expected, rtol=1e-4, atol=1e-6)


def test_the_best_epoch_is_kept_as_the_average_that_was_best(tmp_path):
    model, progress = run_averaged(tmp_path / "float", keep_best=True)
    images = make_data().splits["val"]
    right = model.predict(images.images_rgb_u8 / np.float32(255), verbose=0).argmax(1)
    accuracy = np.mean(right == images.labels)
    assert accuracy == pytest.approx(progress.best["val_accuracy"])


@pytest.mark.parametrize("step", [2, STEPS + 2, 2 * STEPS])
def test_an_averaged_training_resumes_as_if_it_had_not_stopped(step, tmp_path):
    model, expected = run_averaged(tmp_path / "whole")
    stage_dir = tmp_path / "stopped"
    former = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        stop = At(step, lambda: signal.raise_signal(signal.SIGTERM))
        with pytest.raises(KeyboardInterrupt):
            run_averaged(stage_dir, stop)
    finally:
        signal.signal(signal.SIGTERM, former)
    steps = counting_steps()
    resumed, progress = run_averaged(stage_dir, steps)
    assert 0 < steps.taken < 3 * STEPS
    assert_same_training(resumed, progress, (model.get_weights(), expected))
