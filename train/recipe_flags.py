"""The flags of a training, for every program that trains."""

from collections.abc import Callable
from typing import Any

from absl import flags

from corallite.train import augment, recipe

# The flags are those of the program that asks for them: --help lists no others.
flags.disclaim_key_flags()

# Field of Recipe, how it is defined, its help. Defaults come from Recipe.
_FLAGS: tuple[tuple[str, Callable[..., Any], dict[str, Any], str], ...] = (
    ("epochs", flags.DEFINE_integer, {"lower_bound": 1}, "Passes over the images."),
    ("batch_size", flags.DEFINE_integer, {"lower_bound": 1}, "Images a step."),
    (
        "optimizer",
        flags.DEFINE_enum,
        {"enum_values": recipe.OPTIMIZERS},
        "sgd (Nesterov momentum 0.9) or adamw.",
    ),
    (
        "learning_rate",
        flags.DEFINE_float,
        {"lower_bound": 0.0},
        "Peak learning rate, after the warm-up and before the cosine decay.",
    ),
    (
        "warmup_epochs",
        flags.DEFINE_float,
        {"lower_bound": 0.0},
        "Epochs of linear warm-up.",
    ),
    (
        "weight_decay",
        flags.DEFINE_float,
        {"lower_bound": 0.0},
        "Decoupled weight decay; not on biases and batch norms.",
    ),
    (
        "label_smoothing",
        flags.DEFINE_float,
        {"lower_bound": 0.0, "upper_bound": 1.0},
        "Share of each label spread over all classes.",
    ),
    (
        "augment",
        flags.DEFINE_enum,
        {"enum_values": augment.LEVELS},
        "none, light (flips and crops), standard (and colour) or rand (RandAugment).",
    ),
    (
        "mixup_alpha",
        flags.DEFINE_float,
        {"lower_bound": 0.0},
        "MixUp's Beta parameter; 0 is off.",
    ),
    (
        "cutmix_alpha",
        flags.DEFINE_float,
        {"lower_bound": 0.0},
        "CutMix's Beta parameter; 0 is off.",
    ),
    (
        "balance_classes",
        flags.DEFINE_boolean,
        {},
        "Weigh the loss of a class by the inverse of its frequency.",
    ),
    (
        "patience",
        flags.DEFINE_integer,
        {"lower_bound": 0},
        "Stop after so many epochs without a better validation accuracy; 0 is off.",
    ),
    ("seed", flags.DEFINE_integer, {}, "Seed of weights, order and augmentation."),
    (
        "mixed_precision",
        flags.DEFINE_boolean,
        {},
        "Train the float model in float16; for GPUs, slower on most CPUs.",
    ),
)
# One value serves all trainings of a pipeline, whatever their prefix.
_COMMON = ("batch_size", "augment", "balance_classes", "seed", "mixed_precision")


def define(defaults: recipe.Recipe, prefix: str = "") -> Callable[[], recipe.Recipe]:
    """Defines a flag for each field; returns a function that reads them.

    Args:
        defaults: The values of flags that are not given.
        prefix: Put before each name, as in `--prune_epochs`. With a prefix, the fields
            that all trainings of a pipeline share are read from the bare names.
    """
    holders = {}
    for field, define_flag, settings, text in _FLAGS:
        if prefix and field in _COMMON:
            continue
        name = f"{prefix}{field}"
        default = getattr(defaults, field)
        holders[field] = define_flag(name, default, help=text, **settings)

    def read() -> recipe.Recipe:
        values = {field: holder.value for field, holder in holders.items()}
        if prefix:
            values |= {field: flags.FLAGS[field].value for field in _COMMON}
        return recipe.Recipe(**values)

    return read
