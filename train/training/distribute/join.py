"""Joins the processes that train together, and notices when one is lost."""

import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from absl import logging

from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import tf
from corallite.train.training.distribute.workers import Dismissed, Workers

# What clusters set, and TensorFlow reads.
_VARIABLE = "TF_CONFIG"
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
)


@contextlib.contextmanager
def join(addresses: Sequence[str] | None, index: int | None) -> Iterator[Workers]:
    """Joins the other processes of a training for the duration of the block.

    Call it before anything else of TensorFlow. Without addresses and without
    `TF_CONFIG`, there is one process; it uses all its GPUs.

    Args:
        addresses: host:port of each worker, the chief's first, or None.
        index: Of this process among them, or None.

    Raises:
        RequestError: The addresses cannot be used, or another worker ended.
    """
    _set_variable(addresses, index)
    config = _read_variable()
    if config is None:
        gpus = tf.config.list_physical_devices("GPU")
        strategy = tf.distribute.MirroredStrategy() if len(gpus) > 1 else None
        yield Workers(strategy=strategy)
        return
    number, count = config
    logging.info("Worker %d of %d waits for the others.", number, count)
    with contextlib.ExitStack() as stack:
        folder = None
        if number:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        try:
            # It logs a line for each sum, twice.
            tf.get_logger().setLevel("WARNING")
            strategy = tf.distribute.MultiWorkerMirroredStrategy()
            workers = Workers(number, count, strategy, folder)
            yield workers
            workers.end()
        except Dismissed as reason:
            logging.info("Worker %d is done: %s.", number, reason)
        except _LOST as error:
            logging.debug("%s", error)
            raise RequestError(
                f"Worker {number} of {count} has lost another worker, or its network; "
                "run the same command on every worker to resume after the last epoch."
            ) from error


def _set_variable(addresses: Sequence[str] | None, index: int | None) -> None:
    if addresses is None:
        if index is not None:
            raise RequestError("--index needs --workers=host:port,...; add it.")
        return
    if index is None:
        raise RequestError(
            f"--workers needs --index=0 to {len(addresses) - 1}, another one in each "
            "process."
        )
    wrong = [x for x in addresses if not _is_address(x)]
    if wrong:
        raise RequestError(
            f"--workers: Expected host:port, got {wrong[0]!r}; give one for each."
        )
    if len(set(addresses)) < len(addresses):
        raise RequestError("--workers has an address twice; give each worker its own.")
    if not 0 <= index < len(addresses):
        raise RequestError(
            f"--index={index}: Expected 0 to {len(addresses) - 1} for "
            f"{len(addresses)} workers."
        )
    os.environ[_VARIABLE] = json.dumps(
        {
            "cluster": {"worker": list(addresses)},
            "task": {"type": "worker", "index": index},
        }
    )


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host) and port.isdecimal() and 0 < int(port) < 65536


def _read_variable() -> tuple[int, int] | None:
    """Returns index and number of workers; None if there is only one."""
    text = os.environ.get(_VARIABLE, "")
    if not text:
        return None
    try:
        config = json.loads(text)
        tasks = config["cluster"]
        chiefs = len(tasks.get("chief", ()))
        count = chiefs + len(tasks.get("worker", ()))
        kind, index = config["task"]["type"], int(config["task"]["index"])
    except (ValueError, KeyError, TypeError) as error:
        raise RequestError(
            f"{_VARIABLE} is not valid ({error}); unset it, or give --workers."
        ) from error
    if {kind, *tasks} - {"chief", "worker"}:
        raise RequestError(
            f"{_VARIABLE} has tasks other than workers, such as a parameter server; "
            "give workers only."
        )
    number = index if kind == "chief" else chiefs + index
    return (number, count) if count > 1 else None
