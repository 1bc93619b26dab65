"""Downloads by Keras."""

import contextlib
import errno
import socket
import sys
from collections.abc import Iterator

from corallite.device.system.errors import RequestError

_TIMEOUT_S = 30


@contextlib.contextmanager
def reporting_failure(sentence: str) -> Iterator[None]:
    """Turns a failed download by Keras in the block into a `RequestError`.

    Args:
        sentence: The error's message; `{reason}` in it is replaced.

    Raises:
        RequestError: The download failed. A full disk stays an `OSError`.
    """
    former = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT_S)
    try:
        # Keras shows its progress on stdout, where only results belong.
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except Exception as error:  # Keras raises nothing narrower.
        if getattr(error, "errno", None) == errno.ENOSPC:
            raise
        raise RequestError(sentence.format(reason=error)) from error
    finally:
        socket.setdefaulttimeout(former)
