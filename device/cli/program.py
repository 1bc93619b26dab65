"""Runs one verb: flags in, an exit status out, one sentence for what went wrong."""

import errno
import gc
import math
import os
import re
import signal
import sys
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NoReturn

from absl import flags

from corallite.device.system import driver_thread, log
from corallite.device.system.errors import RequestError

EXIT_DONE = 0
EXIT_CHECK_FAILED = 1
EXIT_BAD_REQUEST = 2

_REMEDIES = {
    errno.ENOSPC: "free some space and run the same command again",
    errno.EDQUOT: "free some space and run the same command again",
    errno.EROFS: "choose a place that can be written",
    errno.EIO: "check the disk or card",
}

# How absl puts it that a required flag is not there.
_NONE_GIVEN = re.compile(r"flag --(\w+)=None: Flag --\1 must have a value [^.]*\.")


def run(
    main: Callable[[Sequence[str]], int | None], *, logs_later: bool = False
) -> None:
    """Parses the flags, calls `main(argv)` and exits with its status.

    `main` returns None or 0 for done and 1 for a failed check. `RequestError` and
    `OSError` become one sentence on stderr and status 2. SIGTERM, and SIGHUP unless
    nohup has it ignored, are treated as Ctrl-C: they raise `KeyboardInterrupt` in
    `main`, and one that is not handled there ends the process with 128 + the signal's
    number.

    Args:
        main: The program.
        logs_later: It uses `corallite.device` and no other part, whose log need not be
            loaded before there is a line to write.
    """
    # What is imported stays; see `command`. Nor need it be looked through later on.
    gc.freeze()
    gc.enable()
    _replace_closed_streams()
    interruption = _Interruption()
    signal.signal(signal.SIGTERM, interruption.raise_interrupt)
    signal.signal(signal.SIGINT, interruption.raise_interrupt)
    if signal.getsignal(signal.SIGHUP) is signal.SIG_DFL:
        signal.signal(signal.SIGHUP, interruption.raise_interrupt)
    log.begin_program()
    if not logs_later:
        log.load()
    # A label or a file's name may hold what the terminal's encoding has not.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        status = main(_parse_flags(sys.argv))
        sys.stdout.flush()
    except RequestError as error:
        _exit(_refuse(str(error)))
    except BrokenPipeError:
        # The reader of our output has gone, as with `| head`. Not an error; the
        # second flush at interpreter exit must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _exit(EXIT_DONE)
    except OSError as error:
        _exit(_refuse(_describe(error)))
    except KeyboardInterrupt:
        _exit(128 + interruption.signal_number)
    _exit(status or EXIT_DONE)


def reject_arguments(argv: Sequence[str]) -> None:
    """Raises `RequestError` if anything but flags was given."""
    if len(argv) > 1:
        raise RequestError(f"Expected only flags, got {argv[1]!r}; write --name=value.")


def _replace_closed_streams() -> None:
    """Lets what is written to a closed stdout or stderr go nowhere.

    Python has None for them; and the next file that is opened would get their number,
    and what C++ libraries write to it.
    """
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")


def _exit(status: int) -> NoReturn:
    """Exits; at once, if a thread hangs in a driver: see `driver_thread`."""
    if driver_thread.is_any_left():
        log.flush()
        sys.stdout.flush()
        os._exit(status)
    sys.exit(status)


class _Interruption:
    """Remembers which signal asked us to stop."""

    signal_number = int(signal.SIGINT)

    def raise_interrupt(self, signal_number: int, frame: FrameType | None) -> None:
        self.signal_number = signal_number
        raise KeyboardInterrupt


def _parse_flags(argv: Sequence[str]) -> list[str]:
    try:
        return _parse_finite(argv)
    except flags.Error:
        # It may be for one of absl's own, such as --help or --verbosity. What defines
        # them brings a debugger along: every start would be slower by 20 ms.
        flags.FLAGS.unparse_flags()
    from absl import app

    log.load()
    app.define_help_flags()
    try:
        return _parse_finite(argv)
    except flags.Error as error:
        message = _NONE_GIVEN.sub(r"--\1 is missing.", " ".join(str(error).split()))
        sys.exit(_refuse(f"{message} (--help lists the flags)"))
    except SystemExit:
        # absl has printed the help that was asked for, and exits with 1.
        sys.stdout.flush()
        sys.exit(EXIT_DONE)


def _parse_finite(argv: Sequence[str]) -> list[str]:
    """Parses the flags; bounds let nan pass, which is neither below nor above."""
    try:
        rest = flags.FLAGS(argv)
    except UnicodeDecodeError:  # Of absl's reading; it has no error of its own.
        raise flags.IllegalFlagValueError("--flagfile: is no text in UTF-8") from None
    for name, value in flags.FLAGS.flag_values_dict().items():
        if isinstance(value, float) and not math.isfinite(value):
            raise flags.IllegalFlagValueError(
                f"flag --{name}={value}: must be a finite number"
            )
    return rest


def _describe(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0, "check the path and its rights")
    return f"{where}{error.strerror or error}; {remedy}."


def _refuse(sentence: str) -> int:
    sys.stdout.flush()
    print(f"corallite: {sentence}", file=sys.stderr)
    return EXIT_BAD_REQUEST
