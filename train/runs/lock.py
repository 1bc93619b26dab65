"""Keeps two processes from writing into one run folder at the same time."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from corallite.device.system.errors import RequestError

_LOCK_FILE = ".lock"


@contextlib.contextmanager
def hold(run_dir: Path, verb: str) -> Iterator[None]:
    """Holds the lock of a run folder for the block; creates the folder if necessary.

    If a process is killed, the kernel releases its lock; the remaining lock file does
    no harm.

    Raises:
        RequestError: Another process holds the lock; the message names it.
    """
    is_new = not run_dir.exists()
    run_dir.mkdir(parents=True, exist_ok=True)
    path = run_dir / _LOCK_FILE
    with _acquire(path) as file:
        with contextlib.suppress(OSError):  # On a full disk it has no name.
            file.truncate(0)
            name = f"corallite {verb} (process {os.getpid()})"
            os.write(file.fileno(), name.encode())
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
            if is_new:  # And nothing was written into it.
                with contextlib.suppress(OSError):
                    run_dir.rmdir()


def _open(path: Path) -> IO[str]:
    """Opens the lock file, but no other file that a link in its place leads to."""

    def open_without_links(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)

    try:
        return open(path, "a+", opener=open_without_links)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise RequestError(f"{path}: is not a regular file; remove it.") from error
        raise


def _acquire(path: Path) -> IO[str]:
    while True:
        file = _open(path)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            holder = file.read() or "another process"
            file.close()
            raise RequestError(
                f"{path.parent} is in use by {holder}; wait until it has ended, or "
                "stop it."
            ) from error
        # A process that ended in between has removed the file that is locked now.
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()
