"""A training of your own: any loop, with pruning and quantization of Corallite.

    python train_own.py --photos=photos.npz --out_dir=models

`photos.npz` has uint8 images `train_images` and `val_images` [n, height, width, 3],
RGB, and int labels `train_labels` and `val_labels` [n]. Writes float.h5, pruned.h5 and
qat.h5; convert_own.py makes the file for the device of one of them.
"""

from pathlib import Path

import numpy as np
from absl import app, flags

from corallite.optimize.prune.magnitude import add_pruning, strip_pruning
from corallite.optimize.prune.masks import UpdateMasks
from corallite.optimize.quantize.add_quantizers import quantize
from corallite.train.framework.keras import keras
from corallite.train.training.model_file import save_model

_PHOTOS = flags.DEFINE_string("photos", None, "Images and labels.", required=True)
_OUT_DIR = flags.DEFINE_string("out_dir", None, "Folder of the models.", required=True)
_EPOCHS = flags.DEFINE_integer("epochs", 30, "Of the float model; others get a third.")
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 32, "Images of a step.")
_SPARSITY = flags.DEFINE_float("sparsity", 0.5, "Share of weights that become zero.")


def build(input_shape: tuple[int, int, int], classes: int) -> keras.Model:
    """Returns a small network; yours may be any flat functional model."""
    image = x = keras.Input(input_shape)
    for filters in (16, 32, 64):
        x = keras.layers.Conv2D(filters, 3, 2, padding="same", use_bias=False)(x)
        x = keras.layers.BatchNormalization()(x)
        x = keras.layers.ReLU(6.0)(x)
    x = keras.layers.GlobalAveragePooling2D()(x)
    x = keras.layers.Dense(classes)(x)
    return keras.Model(image, keras.layers.Softmax()(x))


def main(_: list[str]) -> None:
    photos = np.load(_PHOTOS.value)
    # The converter expects pixel/255.
    images, val_images = (
        photos[f"{x}_images"].astype(np.float32) / 255 for x in ("train", "val")
    )
    labels = photos["train_labels"]
    validation = val_images, photos["val_labels"]
    out_dir = Path(_OUT_DIR.value)
    out_dir.mkdir(parents=True, exist_ok=True)

    def train(model: keras.Model, epochs: int, rate: float, *callbacks: object) -> None:
        model.compile(
            keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", ["accuracy"]
        )
        model.fit(
            images,
            labels,
            _BATCH_SIZE.value,
            epochs,
            verbose=2,
            callbacks=list(callbacks),
            validation_data=validation,
        )

    keras.utils.set_random_seed(0)
    model = build(images.shape[1:], int(labels.max()) + 1)
    train(model, _EPOCHS.value, 1e-3)
    save_model(model, out_dir / "float.h5")

    later = max(1, _EPOCHS.value // 3)
    steps = later * -(-len(images) // _BATCH_SIZE.value)
    pruned = add_pruning(model, _SPARSITY.value, steps)
    train(pruned, later, 1e-4, UpdateMasks())
    pruned = strip_pruning(pruned)
    save_model(pruned, out_dir / "pruned.h5")

    # Ranges are measured on some images; zeros stay zero.
    quantized = quantize(pruned, images[:500])
    train(quantized, later, 1e-4)
    save_model(quantized, out_dir / "qat.h5")


if __name__ == "__main__":
    app.run(main)
