"""Writes curves for TensorBoard, and reports a full disk as an `OSError`."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from corallite.train.framework.keras import keras, tf


class LogScalars(keras.callbacks.Callback):
    """Writes losses and metrics after each epoch, to `train/` and `validation/`.

    Keras's own callback raises TensorFlow's errors when a disk is full, and writes much
    more.
    """

    def __init__(self, log_dir: Path):
        super().__init__()
        self.log_dir = log_dir
        self._writers: dict[str, Any] = {}

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        validation = {
            name.removeprefix("val_"): value
            for name, value in logs.items()
            if name.startswith("val_")
        }
        train = {name: logs[name] for name in validation if name in logs}
        learning_rate = self.model.optimizer.learning_rate
        with reporting_a_full_disk(self.log_dir):
            self._write("train", epoch, {**train, "learning_rate": learning_rate})
            self._write("validation", epoch, validation)

    def close(self) -> None:
        """Closes the files."""
        for writer in self._writers.values():
            with reporting_a_full_disk(self.log_dir):
                writer.close()

    def _write(self, split: str, epoch: int, scalars: dict[str, Any]) -> None:
        if split not in self._writers:
            path = str(self.log_dir / split)
            self._writers[split] = tf.summary.create_file_writer(path)
        writer = self._writers[split]
        with writer.as_default(step=epoch):
            for name, value in scalars.items():
                tf.summary.scalar(f"epoch_{name}", value)
        writer.flush()


@contextlib.contextmanager
def reporting_a_full_disk(path: Path) -> Iterator[None]:
    """Turns what TensorFlow raises when it cannot write into an `OSError`."""
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        number = errno.ENOSPC
        raise OSError(number, os.strerror(number), str(path)) from error
