"""The settings of one training, as a stage records them."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The settings of one training.

    Attributes:
        epochs: Passes over the training split; AUTO: see `for_images`.
        batch_size: Images per step; AUTO: see `for_images`.
        optimizer: "sgd" (Nesterov momentum 0.9) or "adamw"; None: see `for_images`.
        learning_rate: Its peak, after the warm-up, for this batch size; AUTO: see
            `for_images`.
        warmup_epochs: Epochs of linear warm-up from 0; then cosine decay to 0.
        weight_decay: Decoupled: a step subtracts learning rate x this x weight. With
            momentum 0.9 that is a tenth of the L2 penalty of the same strength.
        label_smoothing: Share of a label spread over all classes, 0 to 1.
        augment: Name of the augmentation level.
        mixup_alpha: MixUp's Beta parameter; 0 is off.
        cutmix_alpha: CutMix's Beta parameter; 0 is off.
        balance_classes: Weighs the loss of a class by the inverse of its frequency; not
            for boxes.
        ema: Momentum of an exponential moving average of the weights, which is
            validated and kept in their place; 0 is off.
        patience: Stops after this many epochs without a better validation accuracy;
            0 is off.
        seed: Seed of the initial weights, the order of images and the augmentation.
        mixed_precision: Trains the float model in float16, compiled by XLA; None: where
            a GPU is faster so. Pruning and quantization-aware training are always in
            float32.
    """

    epochs: int
    batch_size: int = 128
    optimizer: str | None = "sgd"
    learning_rate: float = 0.1
    warmup_epochs: float = 1.0
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    augment: str = "light"
    mixup_alpha: float = 0.0
    cutmix_alpha: float = 0.0
    balance_classes: bool = True
    ema: float = 0.0
    patience: int = 0
    seed: int = 0
    mixed_precision: bool | None = False

    def for_images(self, images: int, usual: "Usual") -> "Recipe":
        """Returns the recipe with values in place of AUTO and of no optimizer.

        The batch is the largest power of two, from 4 to the usual one, that makes 20
        steps an epoch; the learning rate is proportional to it (arXiv:1706.02677, 2.1).

        Args:
            images: Size of the training split.
            usual: The other values of this kind of training.
        """
        batch_size = self.batch_size or choose_batch_size(images, usual.batch_size)
        share = batch_size / usual.batch_size
        return dataclasses.replace(
            self,
            epochs=self.epochs or usual.epochs,
            batch_size=batch_size,
            optimizer=self.optimizer or usual.optimizer,
            learning_rate=self.learning_rate or usual.learning_rate * share,
        )


@dataclasses.dataclass(frozen=True)
class Usual:
    """What a kind of training does if the user does not say otherwise.

    Attributes:
        epochs: Passes over the training split.
        learning_rate: For the largest batches.
        optimizer: See `Recipe`.
        batch_size: The largest batches, in images.
    """

    epochs: int
    learning_rate: float
    optimizer: str = "sgd"
    batch_size: int = 128


def choose_batch_size(images: int, largest: int = 128) -> int:
    """Returns the size of the batches for a training split of so many images."""
    size = largest
    while size > _SMALLEST_BATCH and images < _STEPS_PER_EPOCH * size:
        size //= 2
    return size


# In place of a number: it follows the number of images.
AUTO = 0
AUTO_FIELDS = ("epochs", "batch_size", "learning_rate")
_SMALLEST_BATCH = 4
# 300 photos (240 to train) in batches of 128 are one step an epoch, and 60 such epochs
# reached 45 % top-1.
_STEPS_PER_EPOCH = 20


def usual_of_boxes(recipe: Recipe, is_pretrained: bool) -> Usual:
    """Returns what a training of boxes does if `recipe` does not say otherwise."""
    if recipe.optimizer == "sgd":
        return BOXES_PRETRAINED_SGD if is_pretrained else BOXES_FROM_SCRATCH_SGD
    return BOXES_PRETRAINED if is_pretrained else BOXES_FROM_SCRATCH


# Fields that earlier versions did not have, with what they did.
ADDED_FIELDS = {"ema": 0.0}

# All trainings of a pipeline use one value of these.
SHARED_FIELDS = (
    "batch_size",
    "augment",
    "balance_classes",
    "seed",
    "mixed_precision",
)

# The defaults of each verb that trains.
TRAIN = Recipe(AUTO, AUTO, None, AUTO, mixed_precision=None)
SLIM = Recipe(AUTO, AUTO, learning_rate=AUTO, warmup_epochs=0.0)
PRUNE = Recipe(AUTO, AUTO, learning_rate=AUTO, warmup_epochs=0.0)
QUANTIZE = Recipe(AUTO, AUTO, learning_rate=AUTO, warmup_epochs=0.0)
FROM_SCRATCH = Usual(60, 0.1)
# All layers, from a head that fits. EfficientNet-Lite0 on 400 images, batch 32: a rate
# of 0.001 gave an accuracy of 0.83, 0.003 gave 0.50, 0.01 no more than chance.
PRETRAINED = Usual(15, 0.004)
# Those of docs/results.md, "Class and box"; with --optimizer=sgd, nothing was measured.
BOXES_FROM_SCRATCH = Usual(60, 0.002, "adamw", 32)
BOXES_PRETRAINED = Usual(30, 0.002, "adamw", 32)
BOXES_FROM_SCRATCH_SGD = Usual(60, 0.02)
BOXES_PRETRAINED_SGD = Usual(30, 0.01)
SLIMMING = Usual(15, 0.02)
PRUNING = Usual(15, 0.02)
QUANTIZING = Usual(8, 0.005)
