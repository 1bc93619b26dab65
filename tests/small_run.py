"""A run whose network is so small that each step of the road takes seconds."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

SPARSITY = 0.1


@pytest.fixture(scope="session")
def small_recipe():
    """What pruning and training with quantization of `small_run` followed."""
    from corallite.train.recipe import Recipe

    return Recipe(
        epochs=2, batch_size=16, learning_rate=0.002, warmup_epochs=0.0, augment="none"
    )


def build_small():
    """Two branches that are joined, then a depthwise and a 1x1 convolution."""
    from corallite.train.keras import keras

    keras.utils.set_random_seed(0)
    layers = keras.layers
    image = keras.Input((32, 32, 3))
    x = layers.Conv2D(12, 3, 2, use_bias=False, name="stem")(image)
    x = layers.BatchNormalization(name="stem_norm")(x)
    x = layers.ReLU(6.0, name="stem_relu")(x)
    branches = []
    for name in ("left", "right"):
        branch = layers.Conv2D(6, 1, name=name)(x)
        branches.append(layers.ReLU(6.0, name=f"{name}_relu")(branch))
    x = layers.Concatenate(name="join")(branches)
    x = layers.DepthwiseConv2D(3, 2, padding="same", name="depthwise")(x)
    x = layers.ReLU(6.0, name="depthwise_relu")(x)
    x = layers.Conv2D(12, 1, name="middle")(x)
    x = layers.ReLU(6.0, name="middle_relu")(x)
    x = layers.GlobalAveragePooling2D(name="pool")(x)
    x = layers.Dense(3, name="logits")(x)
    return keras.Model(image, layers.Softmax(name="probabilities")(x))


@pytest.fixture(scope="session")
def small_run(squares_dir, small_recipe, make_once, tmp_path_factory):
    """A run folder with all stages of a small network. See `small_copy`.

    Its float stage is made of the parts that `train` is made of, which trains no
    network this small; the others are what the verbs make of it.
    """
    from corallite.convert.int8_stage import convert
    from corallite.device.preprocess import Preprocessing
    from corallite.optimize.prune import prune
    from corallite.optimize.quantize_stage import train_quantized
    from corallite.train.data import prepare_data

    def make(run_dir):
        data = prepare_data(squares_dir, run_dir, Preprocessing((32, 32)))
        _make_float_stage(run_dir, squares_dir, small_recipe, data)
        prune(run_dir, SPARSITY, small_recipe)
        train_quantized(run_dir, small_recipe)
        convert(run_dir)

    # Of each process its own: reports and evaluations are written into it.
    run_dir = tmp_path_factory.mktemp("small") / "run"
    return Path(shutil.copytree(make_once("small_run", make), run_dir))


def _make_float_stage(run_dir, data_dir, recipe, data):
    from corallite.device import files
    from corallite.optimize.sparsity import measure_sparsity
    from corallite.train.model_file import save_model
    from corallite.train.run_folder import Stage
    from corallite.train.train import Network, cost_metrics

    network = Network("shufflenet_v2", 0.25, (32, 32))
    settings = {**network.to_json(), "recipe": dataclasses.asdict(recipe)}
    record = {"network": settings, "data_dir": str(data_dir)}
    files.write_json(run_dir / "run.json", record)
    model = build_small()
    _train(model, data.parts["train"])
    stage = Stage(run_dir, "float")
    stage.path.mkdir()
    save_model(model, stage.model_path)
    epoch = {"loss": 0.1, "accuracy": 1.0, "val_loss": 0.1, "val_accuracy": 1.0}
    sparsity = dataclasses.asdict(measure_sparsity(model))
    measured = {**cost_metrics(model), "sparsity": sparsity}
    stage.finish(
        {"recipe": dataclasses.asdict(recipe), "data": data.fingerprint},
        {**measured, "history": [epoch], "best_epoch": 0},
    )


def _train(model, part):
    from corallite.train.keras import keras

    images = part.images_rgb_u8.astype(np.float32) / np.float32(255)
    model.compile(keras.optimizers.Adam(0.01), "categorical_crossentropy")
    labels = np.eye(3)[part.labels]
    model.fit(images, labels, batch_size=24, epochs=60, verbose=0)


@pytest.fixture
def small_copy(small_run, tmp_path):
    """A copy of `small_run` for a test to change."""
    return Path(shutil.copytree(small_run, tmp_path / "run"))
