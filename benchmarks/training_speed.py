"""Times training steps, for benchmarks of what feeds them."""

import time
from collections.abc import Callable, Iterator

from corallite.train.framework.keras import keras, tf
from corallite.train.models import registry

# In the first steps of a round, the other input still prefetches, or this input's
# buffer is still full from before. These steps are not counted.
_UNCOUNTED_STEPS = 4


def build_training(
    input_shape: tuple[int, int, int],
    num_classes: int,
    name: str = "shufflenet_v2",
    width: float = 0.5,
) -> Callable[[Iterator], dict[str, tf.Tensor]]:
    """Returns the training step of Keras's `fit`, which takes an iterator."""
    model = registry.build(name, input_shape, num_classes, width=width)
    optimizer = keras.optimizers.SGD(0.01, momentum=0.9, nesterov=True)
    model.compile(optimizer, "categorical_crossentropy", metrics=["accuracy"])
    return model.make_train_function()


def cost_round(
    train: Callable, batch_iterator: Iterator, batch_size: int, steps: int
) -> float:
    """Returns milliseconds of processor time an image, of all threads.

    Other programs hardly change it, where they change images per second a lot.
    """
    for _ in range(_UNCOUNTED_STEPS):
        float(train(batch_iterator)["loss"])
    began_s = time.process_time()
    for _ in range(steps):
        float(train(batch_iterator)["loss"])
    return 1000 * (time.process_time() - began_s) / (steps * batch_size)


def time_round(
    train: Callable, batch_iterator: Iterator, batch_size: int, round_s: float
) -> float:
    """Returns images per second in one round."""
    for _ in range(_UNCOUNTED_STEPS):
        float(train(batch_iterator)["loss"])
    steps, start_s = 0, time.perf_counter()
    while not steps or time.perf_counter() - start_s < round_s:
        # Reading the loss waits for the end of the step.
        float(train(batch_iterator)["loss"])
        steps += 1
    return steps * batch_size / (time.perf_counter() - start_s)
