"""The settings of one training, as a stage records them."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The settings of one training.

    Attributes:
        epochs: Passes over the training split.
        batch_size: Images per step.
        optimizer: "sgd" (Nesterov momentum 0.9) or "adamw".
        learning_rate: Its peak, after the warm-up, for this batch size.
        warmup_epochs: Epochs of linear warm-up from 0; then cosine decay to 0.
        weight_decay: Decoupled: a step subtracts learning rate x this x weight. With
            momentum 0.9 that is a tenth of the L2 penalty of the same strength.
        label_smoothing: Share of a label spread over all classes, 0 to 1.
        augment: Name of the augmentation level.
        mixup_alpha: MixUp's Beta parameter; 0 is off.
        cutmix_alpha: CutMix's Beta parameter; 0 is off.
        balance_classes: Weighs the loss of a class by the inverse of its frequency.
        patience: Stops after this many epochs without a better validation accuracy;
            0 is off.
        seed: Seed of the initial weights, the order of images and the augmentation.
        mixed_precision: Trains the float model in float16, for GPUs; pruning and
            quantization-aware training are always in float32.
    """

    epochs: int
    batch_size: int = 128
    optimizer: str = "sgd"
    learning_rate: float = 0.1
    warmup_epochs: float = 1.0
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    augment: str = "light"
    mixup_alpha: float = 0.0
    cutmix_alpha: float = 0.0
    balance_classes: bool = True
    patience: int = 0
    seed: int = 0
    mixed_precision: bool = False


# All trainings of a pipeline use one value of these.
SHARED_FIELDS = (
    "batch_size",
    "augment",
    "balance_classes",
    "seed",
    "mixed_precision",
)

# The defaults of each verb that trains. For some thousand photos, from scratch.
TRAIN = Recipe(epochs=60)
PRUNE = Recipe(epochs=15, learning_rate=0.02, warmup_epochs=0.0)
QUANTIZE = Recipe(epochs=8, learning_rate=0.005, warmup_epochs=0.0)
