"""The qat stage of a run: training with the rounding of int8 in the graph."""

from dataclasses import asdict

from corallite.optimize.calibrate.choose_images import choose_checked_images
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.prune.sparsity import measure_sparsity
from corallite.optimize.quantize.add_quantizers import quantize
from corallite.train.data.load import ImageData
from corallite.train.framework.keras import keras
from corallite.train.runs.kinds import KINDS
from corallite.train.runs.recipe import QUANTIZING, Recipe
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage
from corallite.train.runs.unused_stages import warn_of_unused_stages
from corallite.train.training.detect.objective import choose_objective
from corallite.train.training.distribute.workers import ALONE, Workers
from corallite.train.training.finish_stage import finish_stage
from corallite.train.training.fit import fit
from corallite.train.training.progress import warn_of_few_steps
from corallite.train.training.recipe import settle
from corallite.train.training.teaching.teacher import (
    Teaching,
    load_teacher,
)

KIND = KINDS["qat"]


def train_quantized(
    run: Run,
    data: ImageData,
    recipe: Recipe,
    *,
    shared_range: str | None = None,
    granularity: str = "channel",
    teaching: Teaching | None = None,
    overwrite: bool = False,
    workers: Workers = ALONE,
) -> Stage:
    """Trains a run's latest float, slim or pruned model with simulated quantization.

    Args:
        run: A run with a trained model.
        data: Its images.
        recipe: How to train.
        shared_range: See `quantize`; by default what fits the network.
        granularity: One of `specs.GRANULARITIES`.
        teaching: The teacher of the training; None for labels alone.
        overwrite: Train again if it was done with other settings.
        workers: Those that train together; see `fit`. Each measures ranges on its part
            of the images; their mean is kept.

    Raises:
        RequestError: There is no model to start from, the settings changed, the teacher
            cannot teach, or another process is writing into the run.
        KeyboardInterrupt: A signal stopped it; the same call resumes.
    """
    parent, stage = run.latest(*KIND.parents), run.stage(KIND.name)
    source = parent.require()
    warn_of_unused_stages(parent)
    teacher = load_teacher(teaching, data, stage)
    shown = teacher.add_photos(data)
    images = shown.splits["train"]
    recipe = settle(recipe, QUANTIZING, images, is_pretrained=run.is_pretrained())
    inputs = {
        "recipe": asdict(recipe),
        "granularity": granularity,
        "parent": parent.sha256(),
        "data": data.fingerprint,
        **teacher.to_json(),
        # Only if it is given, so that records of older versions stay valid.
        **({"shared_range": shared_range} if shared_range else {}),
    }
    if not overwrite:
        stage.refuse_other_settings({"shared_range": shared_range, **inputs})
    if stage.is_done(inputs, overwrite):
        return stage
    with run.lock(KIND.verb):
        keras.utils.set_random_seed(recipe.seed)
        model = quantize(
            load_model(source),
            choose_checked_images(data.splits["train"]),
            shared_range=shared_range,
            granularity=granularity,
        )
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
        )
        metrics = {"from": parent.name, "sparsity": asdict(measure_sparsity(model))}
        finish_stage(stage, model, data, progress, inputs, parent, **metrics)
    return stage
