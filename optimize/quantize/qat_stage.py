"""The qat stage of a run: training with the rounding of int8 in the graph."""

from dataclasses import asdict

from corallite.optimize.calibrate.choose_images import choose_checked_images
from corallite.optimize.keras_graph.load import load_model
from corallite.optimize.prune.sparsity import measure_sparsity
from corallite.optimize.quantize.add_quantizers import quantize
from corallite.train.data.load import ImageData
from corallite.train.framework.keras import keras
from corallite.train.runs.kinds import KINDS
from corallite.train.runs.recipe import Recipe
from corallite.train.runs.run import Run
from corallite.train.runs.stage import Stage
from corallite.train.training.finish_stage import finish_stage
from corallite.train.training.fit import fit
from corallite.train.training.objectives import classify

KIND = KINDS["qat"]


def train_quantized(
    run: Run,
    data: ImageData,
    recipe: Recipe,
    *,
    shared_range: str | None = None,
    granularity: str = "channel",
    overwrite: bool = False,
) -> Stage:
    """Trains a run's pruned model, else its float model, with simulated quantization.

    Args:
        run: A run with a trained model.
        data: Its images.
        recipe: How to train.
        shared_range: See `quantize`; by default what fits the network.
        granularity: One of `specs.GRANULARITIES`.
        overwrite: Train again if it was done with other settings.

    Raises:
        RequestError: There is no model to start from, the settings changed, or another
            process is writing into the run.
        KeyboardInterrupt: A signal stopped it; the same call resumes.
    """
    parent, stage = run.latest(*KIND.parents), run.stage(KIND.name)
    source = parent.require()
    inputs = {
        "recipe": asdict(recipe),
        "granularity": granularity,
        "parent": parent.sha256(),
        "data": data.fingerprint,
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
        progress = fit(
            model,
            data,
            recipe,
            stage.path,
            objective=classify(data, recipe),
            inputs=inputs,
        )
        metrics = {"from": parent.name, "sparsity": asdict(measure_sparsity(model))}
        finish_stage(stage, model, data, progress, inputs, parent, **metrics)
    return stage
