"""The optimizer of a recipe, and how pretrained weights are trained."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from corallite.device.system.errors import require_choice
from corallite.train.data.load import Split
from corallite.train.framework.gpu import has_tensor_cores
from corallite.train.framework.keras import keras
from corallite.train.runs.recipe import Recipe, Usual

OPTIMIZERS = ("sgd", "adamw")
# Pruning and quantization-aware training of pretrained weights take this fraction of
# the learning rate of random weights.
_TRANSFER_SHARE = 0.1
# Biases and the batch norms' scale and shift are not decayed: they are few, and
# shrinking them only moves the balance that the norms keep (arXiv:1812.01187, 3.1).
_NOT_DECAYED = ["bias", "gamma", "beta"]


@dataclasses.dataclass(frozen=True)
class Transfer:
    """How pretrained weights are trained.

    A new head is fitted to the features of the training images first, see `fit_head`.

    Attributes:
        weights: A file that `weights.pretrained` reads, or "imagenet", or "auto":
            those of ImageNet, but random ones for small images.
        is_frozen: Only the head is fitted, and all other layers stay as they are. None:
            with few images and a new head.
    """

    weights: str
    is_frozen: bool | None = None


AUTO_WEIGHTS = Transfer("auto")


def settle(
    recipe: Recipe, usual: Usual, split: Split, *, is_pretrained: bool = False
) -> Recipe:
    """Returns the recipe for a training split, with numbers in place of AUTO.

    The loss of boxes is not balanced.

    Args:
        recipe: What the user says.
        usual: What this kind of training does otherwise, from random weights.
        split: The training split.
        is_pretrained: The network began with pretrained weights, so the usual learning
            rate is a tenth.
    """
    if is_pretrained:
        rate = _TRANSFER_SHARE * usual.learning_rate
        usual = dataclasses.replace(usual, learning_rate=rate)
    if split.boxes is not None:
        recipe = dataclasses.replace(recipe, balance_classes=False)
    return recipe.for_images(len(split.labels), usual)


def choose_precision(recipe: Recipe, recorded: Mapping[str, Any]) -> Recipe:
    """Returns the recipe with True or False in place of `mixed_precision` None.

    Args:
        recipe: What the user says.
        recorded: The recipe of the same training if it was begun, perhaps on another
            machine; else empty.
    """
    if recipe.mixed_precision is not None:
        return recipe
    is_mixed = recorded.get("mixed_precision")
    if is_mixed is None:
        is_mixed = has_tensor_cores()
    return dataclasses.replace(recipe, mixed_precision=is_mixed)


def build_optimizer(recipe: Recipe, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Returns the recipe's optimizer with its schedule of learning rates."""
    require_choice("optimizer", recipe.optimizer, OPTIMIZERS)
    schedule = learning_rate_schedule(recipe, steps_per_epoch)
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            schedule, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
        )
    else:
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return optimizer


def learning_rate_schedule(
    recipe: Recipe, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns linear warm-up to the peak, then cosine decay to 0 at the last step."""
    total_steps = recipe.epochs * steps_per_epoch
    warmup_epochs = min(recipe.warmup_epochs, recipe.epochs)
    warmup_steps = min(round(warmup_epochs * steps_per_epoch), total_steps - 1)
    if warmup_steps < 1:
        return keras.optimizers.schedules.CosineDecay(recipe.learning_rate, total_steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=recipe.learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=total_steps - warmup_steps,
    )
