"""Runs a verb's program: parses its flags, reports errors, and exits with a status."""

import errno
import gc
import math
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from types import FrameType
from typing import NoReturn

from absl import flags

from corallite.device.cli.flags.flag_file import expand_flag_files
from corallite.device.system import log
from corallite.device.system.errors import RequestError
from corallite.device.system.process import driver_thread
from corallite.device.system.text import replace_controls
from corallite.device.system.url import hide_urls
from corallite.device.system.version import version_line

EXIT_DONE = 0
EXIT_CHECK_FAILED = 1
EXIT_BAD_REQUEST = 2

_FREE_SPACE = "free some space and run the same command again"
_REMEDIES = {
    errno.ENOSPC: _FREE_SPACE,
    errno.EDQUOT: _FREE_SPACE,
    errno.EROFS: "choose a folder that is writable",
    errno.EIO: "check the disk or card",
}

MODEL_IS_MISSING = "--model is missing; give FILE or --model=FILE."

# absl's message about a missing required flag.
_NONE_GIVEN = r"flag --(\w+)=None: Flag --\1 must have a value [^.]*\."

_FLAG_NAME = r"^--?(\w+[=\s])?"


def run(
    main: Callable[[Sequence[str]], int | None], *, logs_later: bool = False
) -> None:
    """Parses the flags, calls `main(argv)` and exits with its status.

    `main` returns None or 0 for success and 1 for a failed check. A `RequestError` or
    an `OSError` is printed on stderr in one line, with status 2. SIGTERM and SIGHUP
    raise `KeyboardInterrupt` in `main`, as Ctrl-C does; SIGHUP not under nohup, which
    ignores it. If `main` does not handle it, the status is 128 + the signal's number.

    Args:
        main: The program.
        logs_later: Load absl's log with the first log line. Only for programs that use
            no package but `corallite.device`.
    """
    # Garbage collection must never search the imported objects; see `command`.
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
    # Labels and file names may have characters that the terminal's encoding lacks.
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        status = main(_parse_flags(sys.argv))
        sys.stdout.flush()
    except RequestError as error:
        _exit(_refuse(str(error)))
    except BrokenPipeError:
        # The reader of stdout has ended, as `| head` does. This is not an error, also
        # not in the second flush when the interpreter exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        _exit(EXIT_DONE)
    except OSError as error:
        _exit(_refuse(_describe(error)))
    except KeyboardInterrupt:
        _exit(128 + interruption.signal_number)
    _exit(status or EXIT_DONE)


def reject_arguments(argv: Sequence[str]) -> None:
    """Raises `RequestError` if there are arguments other than flags."""
    if len(argv) > 1:
        raise RequestError(f"Expected only flags, got {argv[1]!r}; write --name=value.")


def refuse_flags(names: Iterable[str], flag: str) -> None:
    """Raises `RequestError` if one of these flags is given, which `flag` ignores."""
    for name in names:
        if flags.FLAGS[name].present:
            raise RequestError(f"{flag} does not use --{name}; omit that.")


def take_model(argv: Sequence[str], given: str | None) -> str | None:
    """Returns the model file, given as FILE or as --model=FILE; None without one.

    Args:
        argv: What is left of the command line without flags.
        given: The value of --model.

    Raises:
        RequestError: There are several.
    """
    found = [*([] if given is None else [given]), *argv[1:]]
    if len(found) > 1:
        raise RequestError(
            f"Expected one model file, got {found[0]!r} and {found[1]!r}; write flags "
            "as --name=value."
        )
    return found[0] if found else None


def require_model(argv: Sequence[str], given: str | None) -> str:
    """Returns the model file; see `take_model`.

    Raises:
        RequestError: There is none, or there are several.
    """
    model = take_model(argv, given)
    if model is None:
        raise RequestError(MODEL_IS_MISSING)
    return model


def _replace_closed_streams() -> None:
    """Replaces a closed stdout or stderr by /dev/null.

    Python sets them to None. The next opened file would get their descriptor, and so
    the output that C++ libraries write to it.
    """
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")


def _exit(status: int) -> NoReturn:
    """Exits; without cleanup if a thread hangs in a driver, see `driver_thread`."""
    if driver_thread.is_any_left():
        log.flush()
        sys.stdout.flush()
        os._exit(status)
    sys.exit(status)


class _Interruption:
    """Remembers the number of the signal that interrupts the program."""

    signal_number = int(signal.SIGINT)

    def raise_interrupt(self, signal_number: int, frame: FrameType | None) -> None:
        self.signal_number = signal_number
        raise KeyboardInterrupt


def _parse_flags(argv: Sequence[str]) -> list[str]:
    argv = expand_flag_files(argv)
    if "--version" in argv[1:]:
        print(version_line(), flush=True)
        sys.exit(EXIT_DONE)
    try:
        return _parse_finite(argv)
    except flags.Error:
        # Perhaps one of absl's own flags, such as --help or --verbosity. The module
        # that defines them loads a debugger, which would add 20 ms to each start.
        flags.FLAGS.unparse_flags()
    from absl import app

    log.load()
    app.define_help_flags()
    try:
        return _parse_finite(argv)
    except flags.Error as error:
        sentence = " ".join(hide_urls(str(error), _words(argv)).split())
        message = re.sub(_NONE_GIVEN, r"--\1 is missing.", sentence)
        sys.exit(_refuse(f"{message} (--help lists the flags)"))
    except SystemExit:
        # absl has printed the help, but exits with 1.
        sys.stdout.flush()
        sys.exit(EXIT_DONE)


def _parse_finite(argv: Sequence[str]) -> list[str]:
    """Parses the flags and refuses nan and inf, which absl's bounds let pass."""
    rest = flags.FLAGS(argv)
    for name, value in flags.FLAGS.flag_values_dict().items():
        if isinstance(value, float) and not math.isfinite(value):
            raise flags.IllegalFlagValueError(
                f"flag --{name}={value}: must be a finite number"
            )
    return rest


def _describe(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename else ""
    remedy = _REMEDIES.get(error.errno or 0, "check path and permissions")
    return f"{where}{error.strerror or error}; {remedy}."


def _refuse(sentence: str) -> int:
    sys.stdout.flush()
    # Whatever failed, and wherever the user wrote a password.
    values = flags.FLAGS.flag_values_dict().values() if flags.FLAGS.is_parsed() else ()
    texts = [value for value in values if isinstance(value, str)]
    shown = hide_urls(sentence, [*_words(sys.argv), *texts])
    print(f"corallite: {replace_controls(shown)}", file=sys.stderr)
    return EXIT_BAD_REQUEST


def _words(argv: Sequence[str]) -> list[str]:
    """Returns all arguments, of flags only their values."""
    return [
        re.sub(_FLAG_NAME, "", word, count=1) if word.startswith("-") else word
        for word in argv
    ]
