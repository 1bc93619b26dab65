"""Does work in a process of its own: its memory is free afterwards, and it may crash.

The process is a fork, which begins at once; loading TensorFlow takes seconds. Therefore
the process that calls this must not have used TensorFlow, which does not survive a
fork: it may only have imported it.
"""

import multiprocessing
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import TypeVar

from corallite.device.system.errors import RequestError
from corallite.device.system.process.parent_death import die_with_parent

_T = TypeVar("_T")
_FORK = multiprocessing.get_context("fork")


class DiedError(RequestError):
    """The process ended without a result, as if it was killed for lack of memory."""


def do_in_process(work: Callable[[], _T]) -> _T:
    """Returns what `work` returns, in another process.

    Raises:
        RequestError: `work` raised it.
        OSError: `work` raised it.
        DiedError: The process was killed.
        KeyboardInterrupt: This process was interrupted. It has passed that on, and
            waited until `work` had saved its state.
    """
    receiver, sender = _FORK.Pipe(duplex=False)
    process = _FORK.Process(target=_run, args=(work, sender, os.getpid()))
    process.start()
    sender.close()
    try:
        kind, result = receiver.recv()
    except EOFError:
        kind, result = "died", None
    except KeyboardInterrupt:
        _interrupt(process.pid)
        process.join()
        raise
    process.join()
    if kind == "refused":
        raise RequestError(result)
    if kind == "failed":
        raise result
    if kind == "died":
        raise DiedError(
            f"A process of the search was killed (status {process.exitcode}), perhaps "
            "for lack of memory; close other programs and run the same command again."
        )
    return result


def _run(work: Callable[[], object], sender: Connection, parent: int) -> None:
    # Ctrl-C must arrive once, by way of the parent: a second signal says "at once".
    os.setpgid(0, 0)
    die_with_parent(parent)
    try:
        sender.send(("done", work()))
    except RequestError as error:
        sender.send(("refused", str(error)))
    except OSError as error:
        sender.send(("failed", error))
    except KeyboardInterrupt:
        # Without a traceback.
        os._exit(128 + signal.SIGINT)


def _interrupt(process: int | None) -> None:
    if process is not None:
        os.kill(process, signal.SIGINT)
