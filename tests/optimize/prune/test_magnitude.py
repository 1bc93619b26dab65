"""Pruning reaches its target, spares the delicate layers, and goes on when cut."""

import shutil
import signal

import numpy as np
import pytest
from fixtures.small_run import open_run

from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph import traverse
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.keras_graph.tfmot import tfmot
from corallite.optimize.prune import magnitude as prune_module
from corallite.optimize.prune.magnitude import add_pruning, prune, strip_pruning
from corallite.optimize.prune.masks import PrunedLayer, UpdateMasks
from corallite.optimize.prune.sparsity import measure_sparsity
from corallite.train.framework.keras import keras
from corallite.train.runs.run import Run
from corallite.train.training.recipe import Recipe


def small_model():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(16, 3, name="stem")(image)
    x = keras.layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = keras.layers.Conv2D(64, 1, name="pointwise")(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(10, name="logits")(x))


def train_pruning(model, steps, callback=UpdateMasks):
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9), "mse", run_eagerly=steps < 20
    )
    rng = np.random.default_rng(0)
    images = rng.random((4 * steps, 8, 8, 3), np.float32)
    targets = rng.random((4 * steps, 10), np.float32)
    model.fit(
        images, targets, batch_size=4, callbacks=[callback()], shuffle=False, verbose=0
    )


@pytest.mark.parametrize("steps", [1, 2, 3, 7, 120])
@pytest.mark.parametrize("sparsity", [0.3, 0.7])
def test_the_target_is_reached_however_short_the_training(steps, sparsity):
    model = add_pruning(small_model(), sparsity, steps)
    train_pruning(model, steps)
    stripped = strip_pruning(model)
    measured = measure_sparsity(stripped)
    assert measured.overall == pytest.approx(sparsity, abs=0.005)
    assert measured.layers["stem"] == measured.layers["depthwise"] == 0
    assert measured.layers["pointwise"] > sparsity


def test_weights_end_as_with_the_wrappers_of_tfmot():
    def wrap_by_tfmot(layer):
        if not isinstance(layer, PrunedLayer):
            return traverse.copy_layer(layer)
        copy = traverse.copy_layer(layer.layer, layer.input_shape)
        return tfmot.sparsity.keras.prune_low_magnitude(copy, layer.pruning_schedule)

    ours = add_pruning(small_model(), 0.5, 12)
    theirs = traverse.rebuild(ours, wrap_by_tfmot)
    train_pruning(ours, 12)
    train_pruning(theirs, 12, tfmot.sparsity.keras.UpdatePruningStep)
    for weight, other in zip(ours.weights, theirs.weights, strict=True):
        if weight.name.endswith("pruning_step:0"):
            continue  # Of ours, the step of the last update.
        np.testing.assert_array_equal(weight, other, weight.name)


def test_sparsity_rises_during_the_first_part_of_the_steps():
    model = add_pruning(small_model(), 0.5, 100)
    schedule = model.get_layer("pruned_layer_pointwise").pruning_schedule
    assert schedule.get_config()["config"]["end_step"] == 60


def test_stripping_leaves_a_plain_model_of_the_same_answers():
    model = add_pruning(small_model(), 0.5, 3)
    train_pruning(model, 3)
    stripped = strip_pruning(model)
    assert not any(isinstance(x, keras.layers.Wrapper) for x in stripped.layers)
    names = {"stem", "depthwise", "pointwise", "logits"}
    assert names <= {layer.name for layer in stripped.layers}
    images = np.random.default_rng(0).random((4, 8, 8, 3), np.float32)
    np.testing.assert_array_equal(stripped(images).numpy(), model(images).numpy())


def test_the_argument_is_not_changed():
    model = small_model()
    before = model.get_weights()
    train_pruning(add_pruning(model, 0.5, 3), 3)
    for weight, former in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, former)


@pytest.mark.parametrize("sparsity", [-0.1, 0.0, 1.0, 1.5])
def test_a_sparsity_that_is_none_is_refused(sparsity):
    with pytest.raises(RequestError, match="`sparsity` to be above 0 and below 1"):
        add_pruning(small_model(), sparsity, 10)


def test_a_sparsity_that_cannot_be_reached_is_refused():
    # 432 + 144 of 2,240 kernel weights are never pruned.
    with pytest.raises(RequestError, match="at most 0.72 for this network, got 0.8"):
        add_pruning(small_model(), 0.8, 10)


@pytest.fixture
def float_run(small_copy):
    """A run that has its float stage alone."""
    for name in ("pruned", "qat", "int8"):
        shutil.rmtree(small_copy / name)
    return small_copy


@pytest.mark.slow
def test_the_stage_has_the_sparsity_that_it_reports(small_run):
    stage = Run.open(small_run).stage("pruned")
    measured = measure_sparsity(load_model(stage.model_path))
    assert measured.overall == pytest.approx(0.1, abs=0.005)
    assert stage.metrics()["sparsity"]["overall"] == measured.overall
    assert stage.metrics()["sparsity"]["layers"] == measured.layers
    assert stage.metrics()["sparsity"]["layers"]["stem"] == 0


@pytest.mark.slow
def test_a_stopped_pruning_resumes_with_the_same_result(
    float_run, small_run, small_recipe, monkeypatch
):
    class Interrupting(UpdateMasks):
        def on_train_batch_begin(self, batch, logs=None):
            super().on_train_batch_begin(batch, logs)
            if self.model.optimizer.iterations in (4, 17):
                signal.raise_signal(signal.SIGINT)

    # Once in the middle of the first epoch, once at the last step of all.
    with monkeypatch.context() as patch:
        patch.setattr(prune_module, "UpdateMasks", Interrupting)
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                prune(*open_run(float_run), 0.1, small_recipe)
            assert not Run.open(float_run).stage("pruned").is_complete()
    resumed = prune(*open_run(float_run), 0.1, small_recipe)
    whole = Run.open(small_run).stage("pruned")
    assert len(resumed.metrics()["history"]) == 2
    measured = resumed.metrics()["sparsity"]
    assert measured["overall"] == whole.metrics()["sparsity"]["overall"]
    expected = load_model(whole.model_path).get_weights()
    weights = load_model(resumed.model_path).get_weights()
    zeros_alike = [
        np.mean((x == 0) == (y == 0)) for x, y in zip(weights, expected, strict=True)
    ]
    # Two threads add in another order, so that weights of nearly the same size may
    # change places.
    assert min(zeros_alike) > 0.95


def test_patience_is_refused_as_it_would_end_the_training_early():
    with pytest.raises(RequestError, match="to be 0 in pruning, got 2"):
        prune_module.check_recipe(Recipe(epochs=9, patience=2))


def test_an_average_is_refused_as_it_would_not_be_sparse():
    with pytest.raises(RequestError, match="to be 0 in pruning, got 0.9: an average"):
        prune_module.check_recipe(Recipe(epochs=9, ema=0.9))


@pytest.mark.slow
def test_what_cannot_be_reached_leaves_the_finished_stage(small_copy, small_recipe):
    with pytest.raises(RequestError, match="at most"):
        prune(*open_run(small_copy), 0.99, small_recipe, overwrite=True)
    assert Run.open(small_copy).stage("pruned").is_complete()


@pytest.mark.slow
def test_without_float_stage_the_verb_is_named(float_run, small_recipe):
    Run.open(float_run).stage("float").discard()
    with pytest.raises(RequestError, match="no finished float stage; run `corallite"):
        prune(*open_run(float_run), 0.1, small_recipe)
