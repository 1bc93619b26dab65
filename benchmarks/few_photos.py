"""Compares the default pipeline with two usual recipes, on few photos.

    python benchmarks/few_photos.py --photos=photos --per_class=20,60

`--photos` has one folder per class. For each number of photos and each seed, so many of
each class are drawn to train, 50 are left out (for trainings that use photos without
labels), and the rest are the test split. Each cell has a folder in --work_dir and three
rows:

- ours: `corallite pipeline --data_dir=... --run_dir=...`, nothing else;
- frozen: a recipe as that of Frigate (frigate/util/classification.py): frozen
  MobileNetV2 1.0 with pixels/255 in place of its normalization, 80 % of the photos, no
  augmentation, a dense layer of 128, 50 epochs, int8 after training;
- linear: logistic regression on the features of the network that `ours` begins with.

With --rows=ours,student,taught,unlabelled, a small network is trained at 128 pixels
from random weights: alone, with `ours` as its teacher, and with the photos that are
left out as well.

With --rows=linear,teach, `corallite teach` is compared with the linear row: accuracy
of its int8 file, and time with nothing cached.

A finished row is not done again, and an interrupted pipeline resumes. Prints the table,
and writes it to table.md in --work_dir.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags, logging

from corallite.device.cli import program
from corallite.device.engine.classifier import Classifier
from corallite.device.image.preprocess import Preprocessing, fit_image, read_image
from corallite.device.system import files
from corallite.train.framework.keras import keras, tf
from corallite.train.models import registry
from corallite.train.weights.imagenet import locate_imagenet
from corallite.train.weights.pretrained import read_pretrained

_PHOTOS = flags.DEFINE_string("photos", None, "Folder of class folders.", required=True)
_WORK_DIR = flags.DEFINE_string("work_dir", "runs/few_photos", "Folder of the cells.")
_PER_CLASS = flags.DEFINE_list("per_class", ["20", "60"], "Photos of each class.")
_SEEDS = flags.DEFINE_integer("seeds", 3, "Draws of the photos.", lower_bound=1)
_ROWS = flags.DEFINE_list("rows", ["linear", "frozen", "ours"], "What to measure.")
_TEACH_FLAGS = flags.DEFINE_multi_string(
    "teach_flag", [], "For corallite teach, such as --features=FILE; repeat it."
)
_EPOCHS = flags.DEFINE_integer("epochs", 20, "Of the small network.", lower_bound=1)
_UNLABELLED = 50
_STUDENT = (
    *("--model=shufflenet_v2", "--width=0.5", "--image_size=128"),
    "--weights=random",
)
_SIDE = 224


def main(argv: Sequence[str]) -> None:
    """Measures what is missing, and prints the table."""
    program.reject_arguments(argv)
    work_dir, results = Path(_WORK_DIR.value), {}
    for seed in range(_SEEDS.value):
        for count in map(int, _PER_CLASS.value):
            cell = work_dir / f"{count}_seed{seed}"
            _draw_photos(Path(_PHOTOS.value), cell, count, seed)
            for name in _ROWS.value:
                result = _once(cell, name)
                logging.info("%s, %s: %s", cell, name, result)
                results.setdefault((count, name), []).append(result)
    table = _format(results)
    files.write_text(work_dir / "table.md", table)
    print(table, end="")


def _once(cell: Path, name: str) -> dict[str, Any]:
    path = cell / f"{name}.json"
    if not path.exists():
        files.write_json(path, _KINDS[name](cell))
    return json.loads(path.read_text())


def _draw_photos(photos: Path, cell: Path, count: int, seed: int) -> None:
    if (cell / "photos").exists():
        return
    rng = np.random.default_rng(seed)
    partial = cell / "photos.part"
    for folder in sorted(path for path in photos.iterdir() if path.is_dir()):
        names = sorted(os.listdir(folder))
        order = [names[row] for row in rng.permutation(len(names))]
        ends = (0, count, count + _UNLABELLED, len(order))
        for number, split in enumerate(("train", "unlabelled", "test")):
            root = cell if split == "unlabelled" else partial
            target = root / split / ("" if split == "unlabelled" else folder.name)
            target.mkdir(parents=True, exist_ok=True)
            for name in order[ends[number] : ends[number + 1]]:
                shutil.copy(folder / name, target / f"{folder.name}_{name}")
    partial.rename(cell / "photos")


def _run_ours(cell: Path) -> dict[str, Any]:
    return _run_corallite("pipeline", cell, "run")


def _run_student(cell: Path) -> dict[str, Any]:
    return _run_student_with(cell, "student")


def _run_taught(cell: Path) -> dict[str, Any]:
    return _run_student_with(cell, "taught", f"--teacher={cell / 'run'}")


def _run_unlabelled(cell: Path) -> dict[str, Any]:
    flags = (f"--teacher={cell / 'run'}", f"--unlabelled_dir={cell / 'unlabelled'}")
    return _run_student_with(cell, "unlabelled_run", *flags)


def _run_student_with(cell: Path, run: str, *flags: str) -> dict[str, Any]:
    epochs = f"--epochs={_EPOCHS.value}"
    return _run_corallite("train", cell, run, *_STUDENT, epochs, *flags)


def _run_corallite(verb: str, cell: Path, run: str, *flags: str) -> dict[str, Any]:
    corallite = str(Path(sys.executable).with_name("corallite"))
    run_dir = f"--run_dir={cell / run}"
    start_s = time.monotonic()
    subprocess.run(
        [corallite, verb, f"--data_dir={cell / 'photos'}", run_dir, *flags], check=True
    )
    seconds = time.monotonic() - start_s
    shown = subprocess.run(
        [corallite, "evaluate", run_dir, "--json"], check=True, capture_output=True
    )
    rows = json.loads(shown.stdout)
    top1 = {row["stage"]: 100 * row["evaluation"]["top1"] for row in rows}
    found = {name: top1[name] for name in ("float", "int8") if name in top1}
    return {**found, "minutes": seconds / 60}


def _run_teach(cell: Path) -> dict[str, Any]:
    path, photos = cell / "teach.tflite", cell / "photos"
    corallite = str(Path(sys.executable).with_name("corallite"))
    command = [corallite, "teach", f"--photos={photos / 'train'}", f"--model={path}"]
    path.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as cache:
        start_s = time.monotonic()
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        subprocess.run([*command, *_TEACH_FLAGS.value], check=True, env=environment)
        seconds = time.monotonic() - start_s
    classifier = Classifier(path)
    right = [
        classifier.labels[classifier.classify(read_image(file)).argmax()] == folder.name
        for folder in (photos / "test").iterdir()
        for file in folder.iterdir()
    ]
    return {"int8": 100 * statistics.mean(right), "minutes": seconds / 60}


def _run_linear(cell: Path) -> dict[str, Any]:
    from sklearn.linear_model import LogisticRegression

    start_s = time.monotonic()
    embed = _build_base(registry.DEFAULT, is_normalized=True).predict
    (features, labels), (others, expected) = (
        (embed(images, verbose=0), labels) for images, labels in _read_both(cell)
    )
    mean, deviation = features.mean(0), features.std()
    head = LogisticRegression(max_iter=1000)
    head.fit((features - mean) / deviation, labels)
    right = head.predict((others - mean) / deviation) == expected
    seconds = time.monotonic() - start_s
    return {"float": 100 * right.mean(), "minutes": seconds / 60}


def _run_frozen(cell: Path) -> dict[str, Any]:
    start_s = time.monotonic()
    (images, labels), (others, expected) = _read_both(cell)
    keras.utils.set_random_seed(0)
    base = _build_base("mobilenet_v2", is_normalized=False)
    kept = np.random.default_rng(0).permutation(len(labels))[: int(0.8 * len(labels))]
    head = keras.Sequential(
        [
            keras.layers.Input(base.output_shape[1:]),
            keras.layers.Dense(128, "relu"),
            keras.layers.Dropout(0.3),
            keras.layers.Dense(labels.max() + 1, "softmax"),
        ]
    )
    head.compile(keras.optimizers.Adam(1e-3), "sparse_categorical_crossentropy")
    features = base.predict(images[kept], verbose=0)
    head.fit(features, labels[kept], batch_size=16, epochs=50, verbose=0)
    predicted = head.predict(base.predict(others, verbose=0), verbose=0)
    model = keras.Model(base.input, head(base.output))
    int8 = _predict_int8(model, images[kept][:300], others)
    seconds = time.monotonic() - start_s
    return {
        "float": 100 * (predicted.argmax(1) == expected).mean(),
        "int8": 100 * (int8 == expected).mean(),
        "minutes": seconds / 60,
    }


def _predict_int8(
    model: keras.Model, calibration: np.ndarray, images: np.ndarray
) -> np.ndarray:
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[None]] for image in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.uint8
    interpreter = tf.lite.Interpreter(model_content=converter.convert(), num_threads=2)
    interpreter.allocate_tensors()
    (source,), (target,) = (
        interpreter.get_input_details(),
        interpreter.get_output_details(),
    )
    scale, zero = source["quantization"]
    labels = []
    for image in images:
        pixels = np.clip(np.round(image / scale + zero), 0, 255).astype(np.uint8)
        interpreter.set_tensor(source["index"], pixels[None])
        interpreter.invoke()
        labels.append(int(interpreter.get_tensor(target["index"])[0].argmax()))
    return np.array(labels)


def _build_base(model: str, *, is_normalized: bool) -> keras.Model:
    """Returns a network with ImageNet weights up to its features."""
    pretrained = read_pretrained(locate_imagenet(model, 1.0), model, 1.0)
    network = registry.build(
        model,
        (_SIDE, _SIDE, 3),
        pretrained.num_classes or 1000,
        width=1.0,
        conventions=pretrained.conventions,
    )
    pretrained.give_to(network)
    if not is_normalized:
        layer = network.get_layer("normalize")
        layer.set_weights([np.ones((1, 1, 3, 1)), np.zeros(3)])
    return keras.Model(network.input, network.get_layer("pool").output)


def _read_both(cell: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns images float32 `[n, 224, 224, 3]`, 0 to 1, and labels of both parts."""
    return [_read_split(cell / "photos" / split) for split in ("train", "test")]


def _read_split(folder: Path) -> tuple[np.ndarray, np.ndarray]:
    preprocessing, images, labels = Preprocessing((_SIDE, _SIDE)), [], []
    for label, name in enumerate(sorted(os.listdir(folder))):
        for path in sorted((folder / name).iterdir()):
            images.append(fit_image(read_image(path), preprocessing))
            labels.append(label)
    return np.stack(images).astype(np.float32) / 255, np.array(labels)


def _format(results: dict[tuple[int, str], list[dict[str, Any]]]) -> str:
    lines = [
        "| photos of each class | row | float | int8 | each seed | minutes |",
        "| ---: | :--- | ---: | ---: | :--- | ---: |",
    ]
    for (count, name), cells in results.items():
        last = "int8" if "int8" in cells[0] else "float"
        means = {
            stage: f"{statistics.mean(cell[stage] for cell in cells):.1f}"
            if stage in cells[0]
            else ""
            for stage in ("float", "int8", "minutes")
        }
        each = ", ".join(f"{cell[last]:.1f}" for cell in cells)
        lines.append(
            f"| {count} | {name} | {means['float']} | {means['int8']} | {each} | "
            f"{means['minutes']} |"
        )
    return "\n".join(lines) + "\n"


_KINDS = {
    "ours": _run_ours,
    "linear": _run_linear,
    "teach": _run_teach,
    "frozen": _run_frozen,
    "student": _run_student,
    "taught": _run_taught,
    "unlabelled": _run_unlabelled,
}

if __name__ == "__main__":
    program.run(main)
