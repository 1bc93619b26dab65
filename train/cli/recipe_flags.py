"""The flags of a training, shared by all programs that train."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

from absl import flags

from corallite.device.system.errors import RequestError
from corallite.train.data import augment
from corallite.train.runs.recipe import AUTO, AUTO_FIELDS, SHARED_FIELDS
from corallite.train.training import recipe
from corallite.train.training.teaching.distil import LOSSES
from corallite.train.training.teaching.teacher import Teaching

# --help then lists the flags among those of the program that calls `define`.
flags.disclaim_key_flags()

_Define = Callable[..., Any]


def _define(kind: str, **settings: Any) -> _Define:
    return functools.partial(getattr(flags, f"DEFINE_{kind}"), **settings)


_NUMBER = _define("float", lower_bound=0.0)
_COUNT = _define("integer", lower_bound=1)
_SWITCH = _define("boolean")
# A field of Recipe, what defines its flag, its help. Defaults come from Recipe.
_FLAGS: tuple[tuple[str, _Define, str], ...] = (
    ("epochs", _COUNT, "Passes over the images; default: what suits the weights."),
    ("batch_size", _COUNT, "Images per step; default: 20 steps an epoch or more."),
    (
        "optimizer",
        _define("enum", enum_values=recipe.OPTIMIZERS),
        "sgd (Nesterov momentum 0.9) or adamw; default: sgd for classes, adamw for "
        "boxes.",
    ),
    (
        "learning_rate",
        _define("float", lower_bound=1e-9),
        "Peak, after the warm-up; then a cosine decay to 0; default: what suits the "
        "weights and the batch size.",
    ),
    ("warmup_epochs", _NUMBER, "Epochs of linear warm-up."),
    ("weight_decay", _NUMBER, "Decoupled; not applied to biases and batch norms."),
    (
        "label_smoothing",
        _define("float", lower_bound=0.0, upper_bound=1.0),
        "Fraction of each label spread over all classes.",
    ),
    (
        "augment",
        _define("enum", enum_values=augment.LEVELS),
        "none; light: flips and crops; standard: also colour; rand: also RandAugment.",
    ),
    ("mixup_alpha", _NUMBER, "MixUp's Beta parameter; 0 is off."),
    ("cutmix_alpha", _NUMBER, "CutMix's Beta parameter; 0 is off."),
    ("balance_classes", _SWITCH, "Weight the loss of a class by inverse frequency."),
    (
        "ema",
        _define("float", lower_bound=0.0, upper_bound=0.99999),
        "Keep an average of the weights with this momentum, as 0.999; 0 is off.",
    ),
    (
        "patience",
        _define("integer", lower_bound=0),
        "Stop after this many epochs without a better validation accuracy; 0 is off.",
    ),
    (
        "seed",
        # The range of NumPy's seeds.
        _define("integer", lower_bound=0, upper_bound=2**32 - 1),
        "Seed of weights, order and augmentation.",
    ),
    (
        "mixed_precision",
        _SWITCH,
        "Train the float model in float16, compiled by XLA; default: where all GPUs "
        "have Tensor Cores.",
    ),
)


def define(defaults: recipe.Recipe, prefix: str = "") -> Callable[[], recipe.Recipe]:
    """Defines a flag for each field; returns a function that reads them.

    Args:
        defaults: The values of flags that are not given.
        prefix: Put before each name, as in `--prune_epochs`. With a prefix, the fields
            that all trainings of a pipeline share are read from the flags without it.
    """
    holders = {}
    for field, define_flag, text in _FLAGS:
        if prefix and field in SHARED_FIELDS:
            continue
        default = getattr(defaults, field)
        if field in AUTO_FIELDS and default == AUTO:
            default = None
        holders[field] = define_flag(f"{prefix}{field}", default, help=text)

    def read() -> recipe.Recipe:
        values = {field: holder.value for field, holder in holders.items()}
        if prefix:
            values |= {field: flags.FLAGS[field].value for field in SHARED_FIELDS}
        return dataclasses.replace(
            defaults, **{x: y for x, y in values.items() if y is not None}
        )

    return read


def refuse_for_boxes(*, classifies: bool) -> None:
    """Raises `RequestError` for a flag that changes nothing if there are boxes.

    Args:
        classifies: The network predicts the image's class, too.
    """
    unused = ("balance_classes", *(() if classifies else ("label_smoothing",)))
    for name in flags.FLAGS:
        flag = flags.FLAGS[name]
        if name.endswith(unused) and flag.present and flag.value:
            raise RequestError(
                f"--{name}: is for the loss of classes, but the network finds boxes; "
                "omit it."
            )


def define_teaching() -> Callable[[], Teaching | None]:
    """Defines the flags of a teacher; returns a function that reads them.

    The function raises `RequestError` if the flags contradict each other.
    """
    teacher = flags.DEFINE_string(
        "teacher",
        None,
        "What teaches this network: a run, an .h5 or a .tflite of the same classes.",
    )
    loss = flags.DEFINE_enum(
        "teacher_loss",
        None,
        LOSSES,
        "How to compare with --teacher: dist, the default (correlations), or kl "
        "(temperature 4).",
    )
    unlabelled_dir = flags.DEFINE_string(
        "unlabelled_dir", None, "Photos without labels, for --teacher to label."
    )

    def read() -> Teaching | None:
        folder = unlabelled_dir.value
        if teacher.value is None:
            for flag in (unlabelled_dir, loss):
                if flag.value is not None:
                    raise RequestError(f"--{flag.name} needs --teacher=RUN; add it.")
            return None
        return Teaching(
            Path(teacher.value),
            None if folder is None else Path(folder),
            loss.value or LOSSES[0],
        )

    return read


def define_transfer() -> Callable[[], recipe.Transfer | None]:
    """Defines the flags of pretrained weights; returns a function that reads them.

    The function returns None for random weights. It raises `RequestError` if the flags
    contradict each other.
    """
    weights = flags.DEFINE_string(
        "weights",
        "auto",
        "Initialize with these weights: a .pth of torchvision or EfficientNet-Lite0, "
        "an .h5 of keras.applications, a run's model.h5, imagenet, random, or auto: "
        "imagenet from 96 pixels on, else random.",
    )
    freeze = flags.DEFINE_boolean(
        "freeze",
        None,
        "Fit only the head; --nofreeze trains all layers after it. By default, only a "
        "new head is fitted if there are fewer than 100 training images per class.",
    )

    def read() -> recipe.Transfer | None:
        if weights.value == "random":
            if freeze.value:
                raise RequestError(
                    "--freeze needs pretrained weights; omit --weights=random."
                )
            return None
        return recipe.Transfer(weights.value, freeze.value)

    return read
