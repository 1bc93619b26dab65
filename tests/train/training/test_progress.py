"""What a training shows, on a terminal and elsewhere."""

import contextlib
import fcntl
import logging
import os
import pty
import re
import struct
import termios
from types import SimpleNamespace

import numpy as np
import pytest

from corallite.train.data.load import Split
from corallite.train.training.progress import ShowProgress, warn_of_few_steps
from corallite.train.training.recipe import Recipe

STEPS, EPOCHS = 5, 3


def show(title):
    return ShowProgress(title, EPOCHS, EPOCHS * STEPS, "accuracy")


def run_training(shown, first_step=0):
    """Calls `shown` as Keras does, for epochs of steps."""
    taken = SimpleNamespace(value=first_step)
    taken.numpy = lambda: np.int64(taken.value)
    shown.set_model(SimpleNamespace(optimizer=SimpleNamespace(iterations=taken)))
    shown.on_train_begin()
    for epoch in range(first_step // STEPS, EPOCHS):
        shown.on_epoch_begin(epoch)
        while taken.value < (epoch + 1) * STEPS:
            taken.value += 1
            shown.on_train_batch_end(0, {"loss": 12.3456789, "accuracy": 0.98765})
        shown.on_epoch_end(
            epoch, {"loss": 1.23456, "accuracy": 0.5, "val_accuracy": 0.25}
        )
    shown.close()


def read_all(descriptor):
    """Yields what is there; a terminal gives no more than 4 kB at a time."""
    with contextlib.suppress(BlockingIOError):
        while block := os.read(descriptor, 4096):
            yield block


@pytest.fixture
def terminal():
    """A terminal of 80 columns; a function that returns what `show` writes to it."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    os.set_blocking(master, False)
    with os.fdopen(slave, "w") as stderr:

        def record(show, *arguments, **options):
            with contextlib.redirect_stderr(stderr):
                show(*arguments, **options)
            return b"".join(read_all(master)).decode()

        yield record
    os.close(master)


def test_a_terminal_gets_a_bar_of_80_columns(terminal):
    shown = terminal(run_training, show("quantized"))
    lines = [line for line in re.split(r"[\r\n]+", shown) if line.strip()]
    assert max(len(line.replace("\x1b[A", "")) for line in lines) <= 80
    bars = [line for line in lines if "%|" in line]
    assert "quantized 3/3 100%" in bars[-1]
    assert "loss 12.346, accuracy 0.988" in bars[-1]
    assert re.search(r"\d\d:\d\d left", bars[-1])
    epochs = [line for line in lines if "validation accuracy 0.2500" in line]
    assert len(epochs) == EPOCHS


def test_a_resumed_bar_begins_where_the_training_does(terminal):
    shown = terminal(
        run_training,
        show("float"),
        first_step=10,
    )
    assert " 67%|" in shown
    assert " 0%|" not in shown


def test_elsewhere_there_is_one_line_an_epoch(caplog, capfd):
    # absl's logger has a level of its own, which other tests' programs may raise.
    caplog.set_level(logging.INFO, logger="absl")
    run_training(show("float"), first_step=5)
    assert [re.sub(r"\d\d:\d\d", "TIME", m) for m in caplog.messages] == [
        f"float epoch {epoch}/3: loss 1.235, accuracy 0.5000, "
        "validation accuracy 0.2500, TIME left"
        for epoch in (2, 3)
    ]


def make_images(count):
    images = np.zeros((count, 1, 1, 3), np.uint8)
    return Split(images, np.zeros(count, int), tuple(map(str, range(count))))


@pytest.mark.parametrize(
    ("stage", "epochs", "flags"),
    [
        ("float", "--epochs", "--batch_size"),
        (
            "pruned",
            "--epochs of `corallite prune` (--prune_epochs of `corallite pipeline`)",
            "--batch_size of `corallite prune`",
        ),
    ],
)
def test_few_steps_are_warned_of_with_what_to_do(stage, epochs, flags, caplog):
    warn_of_few_steps(stage, Recipe(epochs=2, batch_size=100), make_images(100))
    assert (
        f"{stage}: 2 epochs are only 2 optimizer steps, too few to learn "
        f"much; give more with {epochs}, or smaller batches than 100 with {flags}."
    ) in caplog.messages


def test_enough_steps_are_not_warned_of(caplog):
    warn_of_few_steps("float", Recipe(epochs=3, batch_size=1), make_images(40))
    assert not caplog.messages
