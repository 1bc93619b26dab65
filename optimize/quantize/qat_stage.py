"""The qat stage of a run: trains on with the rounding of int8 in the graph."""

import dataclasses
from pathlib import Path

from absl import logging

from corallite.optimize.calibrate.choose_images import choose_checked_images
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.prune.sparsity import measure_sparsity
from corallite.optimize.quantize.add_quantizers import quantize
from corallite.train.data.load import load_data
from corallite.train.framework.keras import keras
from corallite.train.runs.run import Stage, hash_file, latest_stage
from corallite.train.training.fit import discard_state, fit
from corallite.train.training.model_file import save_model
from corallite.train.training.objectives import classify
from corallite.train.training.recipe import Recipe

DEFAULT_RECIPE = Recipe(epochs=8, learning_rate=0.005, warmup_epochs=0.0)


def train_quantized(
    run_dir: Path,
    recipe: Recipe,
    *,
    shared_range: str | None = None,
    granularity: str = "channel",
    overwrite: bool = False,
) -> Stage:
    """Trains a run's pruned model, else its float one, quantization-aware.

    Args:
        run_dir: A run with a trained model.
        recipe: How to train.
        shared_range: See `quantize`; by default what fits the network.
        granularity: One of `quantize.GRANULARITIES`.
        overwrite: Train again if it was done with other settings.

    Raises:
        RequestError: There is no model to begin with, or the settings changed.
        KeyboardInterrupt: Asked to stop; the same call goes on from there.
    """
    data = load_data(run_dir)
    parent = latest_stage(run_dir, ("float", "pruned"))
    source = parent.require()
    stage = Stage(run_dir, "qat")
    inputs = {
        "recipe": dataclasses.asdict(recipe),
        "granularity": granularity,
        "parent": hash_file(source),
        "data": data.fingerprint,
        # Not where it is not given: what runs of before recorded still holds.
        **({"shared_range": shared_range} if shared_range else {}),
    }
    if not overwrite:
        stage.refuse_other_settings({"shared_range": shared_range, **inputs})
    if stage.is_done(inputs, overwrite):
        logging.info("qat: done already.")
        return stage
    keras.utils.set_random_seed(recipe.seed)
    images = choose_checked_images(data.splits["train"])
    model = quantize(
        load_model(source), images, shared_range=shared_range, granularity=granularity
    )
    stage.reopen()
    objective = classify(data, recipe)
    progress = fit(model, data, recipe, stage.path, objective=objective, inputs=inputs)
    save_model(model, stage.model_path)
    measured = dataclasses.asdict(measure_sparsity(model))
    history = dataclasses.asdict(progress)
    stage.finish(inputs, {"from": parent.name, "sparsity": measured, **history})
    discard_state(stage.path)
    return stage
