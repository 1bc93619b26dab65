"""Magnitude pruning with tfmot: the smallest weights gradually become zero.

Zeros make a compressed file smaller. They do not make the model faster: the CPU and the
Edge TPU multiply by zero as by any other number.
"""

import math
from dataclasses import asdict

from corallite.device.system.errors import RequestError
from corallite.optimize.keras_graph import traverse
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.keras_graph.tfmot import tfmot
from corallite.optimize.prune.masks import PrunedLayer, UpdateMasks
from corallite.optimize.prune.sparsity import kernels_of, measure_sparsity
from corallite.train.data.input_pipeline import steps_per_epoch
from corallite.train.data.load import ImageData
from corallite.train.framework.keras import keras
from corallite.train.runs.kinds import KINDS
from corallite.train.runs.recipe import PRUNING, Recipe
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage
from corallite.train.training.detect.objective import choose_objective
from corallite.train.training.distribute.workers import ALONE, Workers
from corallite.train.training.finish_stage import finish_stage
from corallite.train.training.fit import fit
from corallite.train.training.float_stage import cost_metrics
from corallite.train.training.progress import warn_of_few_steps
from corallite.train.training.recipe import settle
from corallite.train.training.teaching.teacher import (
    Teaching,
    load_teacher,
)

KIND = KINDS["pruned"]
# Sparsity rises during this fraction of the steps; the rest restores the accuracy.
_RISING_SHARE = 0.6
_UPDATES = 50
_MAX_LAYER_SPARSITY = 0.98


def prune(
    run: Run,
    data: ImageData,
    sparsity: float,
    recipe: Recipe,
    *,
    teaching: Teaching | None = None,
    overwrite: bool = False,
    workers: Workers = ALONE,
) -> Stage:
    """Prunes a run's float model while training; returns the pruned stage.

    Args:
        run: A run with a finished float stage.
        data: Its images.
        sparsity: Zero fraction of all kernel weights at the end, above 0 and below 1.
        recipe: The training; its learning rate should be below that of the float stage.
        teaching: The teacher of the training; None for labels alone.
        overwrite: Make the stage again if it was made with other settings.
        workers: Those that train together; see `fit`.

    Raises:
        RequestError: There is no float model, `sparsity` cannot be reached, the recipe
            has a patience, the teacher cannot teach, or another process is writing into
            the run.
        KeyboardInterrupt: A signal stopped it; the same call resumes.
    """
    check_recipe(recipe)
    parent, stage = run.latest(*KIND.parents), run.stage(KIND.name)
    source = parent.require()
    teacher = load_teacher(teaching, data, stage)
    shown = teacher.add_photos(data)
    images = shown.splits["train"]
    recipe = settle(recipe, PRUNING, images, is_pretrained=run.is_pretrained())
    inputs = {
        "sparsity": sparsity,
        "recipe": asdict(recipe),
        "parent": parent.sha256(),
        "data": data.fingerprint,
        **teacher.to_json(),
    }
    if stage.is_done(inputs, overwrite):
        return stage
    with run.lock(KIND.verb):
        keras.utils.set_random_seed(recipe.seed)
        steps = recipe.epochs * steps_per_epoch(images, recipe.batch_size)
        model = add_pruning(load_model(source), sparsity, steps)
        stage.reopen()
        stage.record_flags(teaching.to_flags() if teaching else {})
        warn_of_few_steps(stage.name, recipe, images)
        progress = fit(
            model,
            shown,
            recipe,
            stage.path,
            objective=teacher.teach(choose_objective(data, recipe)),
            inputs=inputs,
            workers=workers,
            callbacks=[UpdateMasks()],
            keep_best=False,
        )
        model = strip_pruning(model)
        metrics = {**cost_metrics(model), "sparsity": asdict(measure_sparsity(model))}
        finish_stage(stage, model, data, progress, inputs, parent, **metrics)
    return stage


def add_pruning(model: keras.Model, sparsity: float, total_steps: int) -> keras.Model:
    """Returns a copy of `model` that becomes sparse in `total_steps` of training.

    The training needs the callback `UpdateMasks`.

    It prunes the 1x1 convolutions and the dense layer. The first convolution and the
    depthwise ones have few weights and lose accuracy first, so they are not pruned, and
    the others are pruned further, until `sparsity` is reached over all kernels.

    Raises:
        RequestError: A layer would need more than 98 % zeros.
    """
    layer_sparsity = _layer_sparsity(model, sparsity)
    frequency = max(1, math.floor(_RISING_SHARE * total_steps / _UPDATES))
    updates = max(1, math.floor(_RISING_SHARE * total_steps / frequency))
    schedule = tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=layer_sparsity,
        begin_step=0,
        end_step=updates * frequency,
        frequency=frequency,
    )

    def replace(layer):
        copy = traverse.copy_layer(layer)
        return PrunedLayer(copy, schedule) if is_prunable(layer) else copy

    return traverse.rebuild(model, replace)


def strip_pruning(model: keras.Model) -> keras.Model:
    """Returns a copy of a pruned model without the wrappers, with its zeros."""

    def replace(layer):
        if isinstance(layer, PrunedLayer):
            return traverse.copy_layer(layer.layer, layer.input_shape)
        return traverse.copy_layer(layer)

    return traverse.rebuild(model, replace)


def is_prunable(layer: keras.layers.Layer) -> bool:
    """Returns whether pruning zeroes weights of `layer`."""
    if isinstance(layer, keras.layers.Conv2D):
        return not isinstance(traverse.producer(layer), keras.layers.InputLayer)
    return isinstance(layer, keras.layers.Dense)


def check_recipe(recipe: Recipe) -> None:
    """Raises `RequestError` if a training may not end with its sparsity."""
    if recipe.ema:
        raise RequestError(
            f"Expected `ema` to be 0 in pruning, got {recipe.ema}: an average of "
            "weights that become zero is not zero; omit the flag."
        )
    if recipe.patience:
        raise RequestError(
            f"Expected `patience` to be 0 in pruning, got {recipe.patience}: accuracy "
            "falls until the sparsity is reached, so it would end too early; omit the "
            "flag."
        )


def check_sparsity(sparsity: float) -> None:
    """Raises `RequestError` if a sparsity is not between 0 and 1."""
    if not 0 < sparsity < 1:
        raise RequestError(
            f"Expected `sparsity` to be above 0 and below 1, got {sparsity}."
        )


def _layer_sparsity(model, sparsity):
    check_sparsity(sparsity)
    total = sum(_kernel_size(layer) for layer in model.layers)
    prunable = sum(_kernel_size(x) for x in model.layers if is_prunable(x))
    if sparsity * total > _MAX_LAYER_SPARSITY * prunable:
        limit = math.floor(100 * _MAX_LAYER_SPARSITY * prunable / total) / 100
        raise RequestError(
            f"Expected `sparsity` to be at most {limit} for this network, got "
            f"{sparsity}."
        )
    return sparsity * total / prunable


def _kernel_size(layer):
    return sum(math.prod(kernel.shape) for kernel in kernels_of(layer))
