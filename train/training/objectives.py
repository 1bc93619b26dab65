"""Objectives: what a training minimizes, and the number that compares epochs."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from corallite.train.data.input_pipeline import one_hot
from corallite.train.data.load import ImageData, Split, class_weights
from corallite.train.framework.keras import keras, tf
from corallite.train.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class Objective:
    """What a training minimizes, and the number that compares its epochs.

    Attributes:
        losses: As `keras.Model.compile` takes them.
        targets: Returns what the losses compare the model's outputs with, for labels
            int64 `[batch]` and, if the split has boxes, these.
        metric: The metric whose validation value decides which epoch is the best.
        higher_is_better: Whether the best value is the highest or the lowest.
        measure: What computes `metric`, as `compile` takes it; None for Keras's own of
            that name.
        teach: Returns what the losses compare the outputs with while training, for
            images float32 `[batch, height, width, 3]` in 0 to 1, augmented and mixed,
            and their targets; None for the targets.
        class_weights: Weight of each label in the losses; None for equal weights.
        loss_weights: Of each loss, if there are several; None for equal weights.
        evaluate: Measures `metric` on a split after each epoch, for a number that is
            not a mean over batches; None if Keras measures it.
    """

    losses: Any
    targets: Callable[..., Any]
    metric: str
    higher_is_better: bool
    measure: Any = None
    teach: Callable[[tf.Tensor, tf.Tensor], Any] | None = None
    class_weights: dict[int, float] | None = None
    loss_weights: list[float] | None = None
    evaluate: Callable[[keras.Model, Split], float] | None = None

    def is_better(
        self, record: Mapping[str, float], best: Mapping[str, float] | None
    ) -> bool:
        """Returns whether an epoch is better than the best one so far, if any."""
        if best is None:
            return True
        name = f"val_{self.metric}"
        gain = record[name] - best[name]
        return gain > 0 if self.higher_is_better else gain < 0


def classify(data: ImageData, recipe: Recipe) -> Objective:
    """Returns the objective of classification: cross-entropy, decided by accuracy."""
    is_balanced = recipe.balance_classes
    return Objective(
        keras.losses.CategoricalCrossentropy(label_smoothing=recipe.label_smoothing),
        one_hot(len(data.class_names)),
        metric="accuracy",
        higher_is_better=True,
        class_weights=class_weights(data.splits["train"]) if is_balanced else None,
    )
