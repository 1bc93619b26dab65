"""Shows the progress of a training: a bar on a terminal, a line per epoch elsewhere."""

import sys
import time
from typing import Any

from absl import logging
from tqdm import tqdm

from corallite.train.framework.keras import keras


class ShowProgress(keras.callbacks.Callback):
    """A bar with loss, metric and time left, or one log line after each epoch."""

    def __init__(self, title: str, epochs: int, total_steps: int, metric: str):
        super().__init__()
        self.title = title
        self.epochs = epochs
        self.total_steps = total_steps
        self.metric = metric
        self._bar: tqdm | None = None
        self._began_s = 0.0
        self._first_step = 0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        self._began_s = time.monotonic()
        self._first_step = self._steps_taken()
        if sys.stderr.isatty() and self._bar is None:
            self._bar = tqdm(
                total=self.total_steps,
                initial=self._first_step,
                desc=self.title,
                dynamic_ncols=True,
                bar_format="{desc} {percentage:3.0f}%|{bar}| {remaining} left{postfix}",
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if self._bar is not None:
            self._bar.set_description_str(f"{self.title} {epoch + 1}/{self.epochs}")

    def on_train_batch_end(self, batch: int, logs: dict[str, Any]) -> None:
        if self._bar is not None:
            shown = f"loss {logs['loss']:.3f}, {self.metric} {logs[self.metric]:.3f}"
            self._bar.set_postfix_str(shown, refresh=False)
            self._bar.update(1)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        line = (
            f"{self.title} epoch {epoch + 1}/{self.epochs}: loss {logs['loss']:.3f}, "
            f"{self.metric} {logs[self.metric]:.4f}, "
            f"validation {self.metric} {logs[f'val_{self.metric}']:.4f}"
        )
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            logging.info("%s, %s left", line, self._time_left())

    def close(self) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _steps_taken(self) -> int:
        return int(self.model.optimizer.iterations.numpy())

    def _time_left(self) -> str:
        taken = self._steps_taken()
        pace_s = (time.monotonic() - self._began_s) / max(1, taken - self._first_step)
        return tqdm.format_interval(pace_s * (self.total_steps - taken))
