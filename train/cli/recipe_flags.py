"""The flags of a training, for every program that trains."""

from collections.abc import Callable
from typing import Any

from absl import flags

from corallite.device.system.errors import RequestError
from corallite.train.data import augment
from corallite.train.training import recipe

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
    (
        "seed",
        flags.DEFINE_integer,
        # What NumPy takes.
        {"lower_bound": 0, "upper_bound": 2**32 - 1},
        "Seed of weights, order and augmentation.",
    ),
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

    Where the program has --weights and it is given, the default learning rate is a
    tenth of that in `defaults`.
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
        if _begins_with_weights() and not holders["learning_rate"].present:
            values["learning_rate"] *= recipe.TRANSFER_SHARE
        return recipe.Recipe(**values)

    return read


def define_transfer() -> Callable[[int], recipe.Transfer | None]:
    """Defines the flags of weights from elsewhere; returns a function that reads them.

    The function takes the training's epochs and returns None if no weights are given.
    It raises `RequestError` if the flags contradict each other.
    """
    weights = flags.DEFINE_string(
        "weights",
        None,
        "Begin with these weights: a .pth of torchvision or EfficientNet-Lite0, an .h5 "
        "of keras.applications, a run's model.h5, or imagenet. The head then learns at "
        "--learning_rate and all layers at a tenth of it, and the defaults of learning "
        "rates are a tenth.",
    )
    freeze = flags.DEFINE_boolean("freeze", False, "Train the head of --weights alone.")
    unfreeze_epoch = flags.DEFINE_integer(
        "unfreeze_epoch",
        None,
        "Train the head of --weights alone for so many epochs, then all layers.",
        lower_bound=1,
    )

    def read(epochs: int) -> recipe.Transfer | None:
        if weights.value is None:
            if freeze.value or unfreeze_epoch.value:
                raise RequestError(
                    "--freeze and --unfreeze_epoch keep weights that are trained; give "
                    "some with --weights."
                )
            return None
        if unfreeze_epoch.value is None:
            return recipe.Transfer(weights.value, epochs if freeze.value else 0)
        if unfreeze_epoch.value >= epochs:
            raise RequestError(
                f"Expected `unfreeze_epoch` to be below the {epochs} epochs, got "
                f"{unfreeze_epoch.value}; give --freeze to train the head alone."
            )
        return recipe.Transfer(weights.value, unfreeze_epoch.value)

    return read


def _begins_with_weights() -> bool:
    return "weights" in flags.FLAGS and flags.FLAGS["weights"].value is not None
