"""Adopts five models that other programs would have made, and converts each to int8.

python benchmarks/adopted.py --photos=FOLDER --work_dir=FOLDER

The models are trained here for a few minutes, with Keras alone, on photos of 32x32
pixels or more in folders of classes: the shape of Teachable Machine's export,
keras.applications' MobileNetV2, the same with swish in the head, a plain Sequential and
a SavedModel. Then it runs `corallite adopt` and `convert`, and prints a Markdown table.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags

from corallite.train.framework.keras import keras

_PHOTOS = flags.DEFINE_string("photos", None, "Folder of classes.", required=True)
_WORK_DIR = flags.DEFINE_string("work_dir", None, "Keeps all files.", required=True)
_EPOCHS = flags.DEFINE_integer("epochs", 6, "Of each training.")
_SIDE = flags.DEFINE_integer("side", 32, "Height and width of the networks' input.")
_LAYERS = keras.layers


def _read_photos(folder: Path, side: int) -> tuple[np.ndarray, np.ndarray, list[str]]:
    images = keras.utils.image_dataset_from_directory(
        folder, image_size=(side, side), batch_size=None, shuffle=False
    )
    pairs = list(images.as_numpy_iterator())
    photos, labels = (np.stack(x) for x in zip(*pairs, strict=True))
    return photos, labels, images.class_names


def _mobilenet(side: int, **settings: object) -> keras.Model:
    shape = (side, side, 3)
    return keras.applications.MobileNetV2(shape, 0.35, weights=None, **settings)


def _teachable_machine(side: int, classes: int) -> keras.Model:
    """Two Sequential models in one, as keras_model.h5 has them."""
    features = _mobilenet(side, include_top=False)
    features = keras.Sequential([features, _LAYERS.GlobalAveragePooling2D()])
    head = [_LAYERS.Dense(100, "relu"), _LAYERS.Dense(classes, "softmax", False)]
    return keras.Sequential([features, keras.Sequential(head)])


def _application(side: int, classes: int) -> keras.Model:
    return _mobilenet(side, classes=classes)


def _with_swish(side: int, classes: int) -> keras.Model:
    body = _mobilenet(side, include_top=False, pooling="avg")
    x = _LAYERS.Dense(64, "swish", name="hidden")(body.output)
    return keras.Model(body.input, _LAYERS.Dense(classes, "softmax")(x))


def _sequential(side: int, classes: int) -> keras.Model:
    layers: list[keras.layers.Layer] = [keras.Input((side, side, 3))]
    for filters in (16, 32, 64):
        layers += [_LAYERS.Conv2D(filters, 3, activation="relu")]
        layers += [_LAYERS.BatchNormalization(), _LAYERS.MaxPooling2D()]
    layers += [_LAYERS.Flatten(), _LAYERS.Dropout(0.3), _LAYERS.Dense(classes)]
    return keras.Sequential(layers)


# Name, what builds it, its file, what a pixel of 0 to 255 is divided by, and less what.
_MODELS = (
    ("Teachable Machine's shape", _teachable_machine, "keras_model.h5", 127.5, 1),
    ("MobileNetV2 of keras.applications", _application, "mobilenet.keras", 127.5, 1),
    ("the same, swish in its head", _with_swish, "swish.keras", 127.5, 1),
    ("plain Sequential that gives logits", _sequential, "plain.h5", 255.0, 0),
    ("SavedModel, 0 to 255", _sequential, "saved_model", 1.0, 0),
)


def _train(number: int, folder: Path, photos: np.ndarray, labels: np.ndarray) -> Path:
    """Trains a model, unless it was; returns its file."""
    _, build, file, divisor, less = _MODELS[number]
    path = folder / file
    if path.exists():
        return path
    keras.utils.set_random_seed(number)
    model = build(photos.shape[1], int(labels.max()) + 1)
    for layer in model.submodules:
        if isinstance(layer, _LAYERS.BatchNormalization):
            layer.momentum = 0.9  # Keras's 0.999 needs thousands of steps to settle.
    gives_logits = build is _sequential
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=gives_logits)
    model.compile(keras.optimizers.Adam(2e-3), loss, ["accuracy"])
    order = np.random.default_rng(number).permutation(len(labels))
    scaled = photos[order] / divisor - less
    model.fit(scaled, labels[order], 64, _EPOCHS.value, verbose=2)
    model.save(path)
    return path


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from corallite.device.cli.command import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True)


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    return done.stderr.strip().splitlines()[-1].removeprefix("corallite: ")


def _adopt(number: int, path: Path, photos: Path, run_dir: Path) -> str:
    """Returns a row of the table."""
    run, name = f"--run_dir={run_dir}", _MODELS[number][0]
    given = (f"--model={path}", f"--data_dir={photos}", run, "--fit=stretch")
    done = _run("adopt", *given)
    if done.returncode:
        return f"| {name} | | | | {_last_line(done)} |"
    record = json.loads((run_dir / "float" / "metrics.json").read_text())
    target, refused = "int8", ""
    done = _run("convert", run)
    if done.returncode == 2:
        refused = _last_line(done).partition(", which")[0]
        target = "exports/tflite_int8"
        done = _run("convert", run, "--to=tflite_int8")
    made = json.loads((run_dir / target / "metrics.json").read_text())
    first = record["predictions"]
    accuracy = 100 * first["right"] / first["images"]
    return (
        f"| {name} | {record['adopted']['input_range']} | {accuracy:.1f} | "
        f"{100 * made['val_accuracy']:.1f} | {refused or '-'} |"
    )


def main(argv: Sequence[str]) -> None:
    folder, photos_dir = Path(_WORK_DIR.value), Path(_PHOTOS.value)
    folder.mkdir(parents=True, exist_ok=True)
    photos, labels, class_names = _read_photos(photos_dir, _SIDE.value)
    rows = []
    for number, (_, build, *_) in enumerate(_MODELS):
        own = folder / str(number)
        own.mkdir(exist_ok=True)
        path = _train(number, own, photos, labels)
        if build is _teachable_machine:
            lines = [f"{n} {name}\n" for n, name in enumerate(class_names)]
            (own / "labels.txt").write_text("".join(lines))
        rows.append(_adopt(number, path, photos_dir, own / "run"))
    print("| model | takes | float | int8 | refused by `--to=int8` |")
    print("|---|---|---:|---:|---|")
    print("\n".join(rows))


if __name__ == "__main__":
    app.run(main)
