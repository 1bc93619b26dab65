"""Teaches a model from photos, on any machine, in seconds.

corallite teach --photos=photos --model=model.tflite
corallite classify model.tflite --source=0

`--photos` has a folder for each class. A linear head is fitted to the features of a
pretrained network, so neither a training machine nor TensorFlow is needed. The accuracy
is measured on held-out photos, near-duplicates together. Features are
kept in the user's cache folder: after photos were added, only theirs are computed.

If the model is not sure enough of a frame, its label is "unknown". The threshold is
fitted to the held-out photos: --precision of those that are named should be right. If
there is a folder `none` (or --background_class), what looks like its photos is unknown
too.

A model that was taught before is replaced only if the accuracy does not fall: among the
photos that both were taught with, by an exact test (McNemar, one-sided, 5 %). Otherwise
it stays, the new one is written beside it, and the exit status is 1.
"""

import os
import shlex
import time
from collections.abc import Sequence
from pathlib import Path

from absl import flags

# Before NumPy is imported: the products are small, and on a busy machine its threads
# wait for each other. With two threads, a fit took 20 s of processor time in place of
# 0.8.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from corallite.device.cli import program  # noqa: E402
from corallite.device.cli.flags import refusal_flags  # noqa: E402
from corallite.device.learn.features_file import SHIPPED  # noqa: E402
from corallite.device.learn.head import count_confusions  # noqa: E402
from corallite.device.learn.teach import Taught, teach  # noqa: E402
from corallite.device.model.cpu_fallback import name_compiled  # noqa: E402

_PHOTOS = flags.DEFINE_string("photos", None, "Folder with one folder for each class.")
_MODEL = flags.DEFINE_string("model", None, "The .tflite file to write.")
_FEATURES = flags.DEFINE_string(
    "features",
    None,
    "A file of corallite convert --to=features, or what corallite compile makes of it; "
    "default, EfficientNet-Lite0 with weights of ImageNet.",
)
_refusal_settings = refusal_flags.define()
flags.mark_flags_as_required(["photos", "model"])
_MOST_CONFUSED = 3


def main(argv: Sequence[str]) -> int:
    """Teaches, and prints what can be expected of the model."""
    program.reject_arguments(argv)
    begin_s = time.monotonic()
    path = Path(_MODEL.value)
    features = Path(_FEATURES.value or SHIPPED)
    taught = teach(Path(_PHOTOS.value), path, features, _refusal_settings())
    print("\n".join(_describe(taught)))
    print(f"{taught.path}: {time.monotonic() - begin_s:.1f} s")
    if taught.compiled_path:
        print(f"{taught.compiled_path}: for the Edge TPU")
    if taught.is_rejected:
        print(f"{path} stays. To replace it anyway: {_move(taught.path, path)}")
        return program.EXIT_CHECK_FAILED
    if taught.former_path:
        print(f"To bring the former model back: {_move(taught.former_path, path)}")
    return program.EXIT_DONE


def _move(source: Path, target: Path) -> str:
    """Returns the shell command that moves a model, and its file for the Edge TPU."""
    commands = [["mv", source, target]]
    if name_compiled(source).exists():
        commands.append(["mv", name_compiled(source), name_compiled(target)])
    elif name_compiled(target).exists():
        commands.append(["rm", name_compiled(target)])
    return " && ".join(shlex.join(map(str, command)) for command in commands)


def _describe(taught: Taught) -> list[str]:
    validation, names = taught.validation, taught.class_names
    lines = [
        f"{len(taught.labels)} photos of {len(names)} classes, {taught.scenes} scenes"
    ]
    if validation is None:
        return [*lines, "accuracy unknown: a class has a single scene; add others"]
    low, high = (100 * end for end in validation.interval)
    lines.append(
        f"accuracy {100 * validation.accuracy:.1f} % of held-out photos (95 %: "
        f"{low:.1f} to {high:.1f}; {validation.folds} folds)"
    )
    lines += [taught.refusal.explain()] if taught.refusal else []
    pairs = count_confusions(taught.labels, validation.predicted)[:_MOST_CONFUSED]
    if pairs:
        shown = (f"{names[a]} as {names[b]} {count}" for a, b, count in pairs)
        lines.append(f"most confused: {', '.join(shown)}")
    compared = taught.comparison
    if compared:
        lines.append(
            f"against the former model: {compared.gained} gained and {compared.lost} "
            f"lost of {compared.photos} photos (p = {compared.p_value:.2g})"
        )
    return lines


if __name__ == "__main__":
    program.run(main)
