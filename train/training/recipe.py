"""The optimizer of a recipe, and how pretrained weights are trained."""

import dataclasses
from typing import Any

from corallite.device.system.errors import require_choice
from corallite.train.data.load import Split
from corallite.train.framework.keras import keras, tf
from corallite.train.runs.recipe import Recipe, Usual

OPTIMIZERS = ("sgd", "adamw")
# Pretrained weights need this fraction of the learning rate of random weights.
# EfficientNet-Lite0 on 400 images, batch 32: 0.01 for the head and 0.001 for all layers
# gave an accuracy of 0.83, 0.03 and 0.003 gave 0.50, 0.1 and 0.01 no more than chance.
TRANSFER_SHARE = 0.1
# Biases and the batch norms' scale and shift are not decayed: they are few, and
# shrinking them only moves the balance that the norms keep (arXiv:1812.01187, 3.1).
_NOT_DECAYED = ["bias", "gamma", "beta"]


@dataclasses.dataclass(frozen=True)
class Transfer:
    """How pretrained weights are trained.

    At first only the head is trained, with the recipe's learning rate, then all layers
    with a tenth of it. Each of the two has its own warm-up and decay.

    Attributes:
        weights: A file that `weights.pretrained` reads, or "imagenet", or "auto":
            those of ImageNet, but random ones for small images.
        frozen_epochs: Epochs of the head alone: from 0 to all epochs of the recipe;
            ALL_EPOCHS for these.
    """

    weights: str
    frozen_epochs: int = 0


AUTO_WEIGHTS = Transfer("auto")
# In place of a number of epochs that is not known yet.
ALL_EPOCHS = -1


def settle(
    recipe: Recipe, usual: Usual, split: Split, *, is_pretrained: bool = False
) -> Recipe:
    """Returns the recipe for a training split, with numbers in place of AUTO.

    Args:
        recipe: What the user says.
        usual: What this kind of training does otherwise, from random weights.
        split: The training split.
        is_pretrained: The network began with pretrained weights, so the usual learning
            rate is a tenth.
    """
    if is_pretrained:
        rate = TRANSFER_SHARE * usual.learning_rate
        usual = dataclasses.replace(usual, learning_rate=rate)
    return recipe.for_images(len(split.labels), usual)


def build_optimizer(
    recipe: Recipe, steps_per_epoch: int, transfer: Transfer | None = None
) -> keras.optimizers.Optimizer:
    """Returns the recipe's optimizer with its schedule of learning rates."""
    require_choice("optimizer", recipe.optimizer, OPTIMIZERS)
    schedule = learning_rate_schedule(recipe, steps_per_epoch, transfer)
    if recipe.optimizer == "sgd":
        optimizer = keras.optimizers.SGD(
            schedule, momentum=0.9, nesterov=True, weight_decay=recipe.weight_decay
        )
    else:
        optimizer = keras.optimizers.AdamW(schedule, weight_decay=recipe.weight_decay)
    optimizer.exclude_from_weight_decay(var_names=_NOT_DECAYED)
    return optimizer


def learning_rate_schedule(
    recipe: Recipe, steps_per_epoch: int, transfer: Transfer | None = None
) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns linear warm-up to the peak, then cosine decay to 0 at the last step.

    With `transfer`, two of them: for the head, then for all layers.
    """
    if transfer is None:
        return _warm_up_and_decay(recipe, steps_per_epoch)
    head = dataclasses.replace(recipe, epochs=transfer.frozen_epochs)
    whole = dataclasses.replace(
        recipe,
        epochs=recipe.epochs - transfer.frozen_epochs,
        learning_rate=TRANSFER_SHARE * recipe.learning_rate,
    )
    if not head.epochs or not whole.epochs:
        return _warm_up_and_decay(whole if whole.epochs else head, steps_per_epoch)
    return _OneAfterTheOther(
        _warm_up_and_decay(head, steps_per_epoch),
        _warm_up_and_decay(whole, steps_per_epoch),
        head.epochs * steps_per_epoch,
    )


class _OneAfterTheOther(keras.optimizers.schedules.LearningRateSchedule):
    """Two schedules; the second starts at step `boundary`."""

    def __init__(self, first: Any, second: Any, boundary: int):
        self.first = first
        self.second = second
        self.boundary = boundary

    def __call__(self, step: Any) -> Any:
        return tf.where(
            step < self.boundary, self.first(step), self.second(step - self.boundary)
        )


def _warm_up_and_decay(
    recipe: Recipe, steps_per_epoch: int
) -> keras.optimizers.schedules.LearningRateSchedule:
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
