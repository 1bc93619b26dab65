"""Reads the files of --flagfile, as editors and users write them.

absl's own reader takes a UTF-8 signature, quotes and `--name value` as part of a flag.
"""

import os
import re
from collections.abc import Iterator, Sequence

from corallite.device.system.errors import RequestError
from corallite.device.system.files import read_limited

_NAMES = ("--flagfile", "-flagfile")
_COMMENTS = ("#", "//")
# A name, then a value after "=" or blanks, in quotes or not.
_LINE = r"(?s)--?(?P<name>\w[\w-]*)(?:\s*=\s*|\s+|$)(?P<value>.*)"
_QUOTED = r"(?P<quote>[\"'])(?P<inner>(?:(?!(?P=quote)).)*)(?P=quote)"


def expand_flag_files(argv: Sequence[str]) -> list[str]:
    """Returns the arguments with each --flagfile replaced by the flags in its file.

    A file has one flag per line: --name=value, --name value or --name. Quotes around a
    whole value are removed. Lines that begin with # or // are comments. A file may
    name another --flagfile.

    Args:
        argv: The arguments, the program's name first.

    Raises:
        RequestError: A file cannot be read, or a line is not a flag. The message has
            the number of the line and not its text, which may hold a password.
    """
    return [*argv[:1], *_expand(argv[1:], ())]


def _expand(words: Sequence[str], parents: tuple[str, ...]) -> Iterator[str]:
    """Yields the flags; `parents` are the files that name this one."""
    left = iter(words)
    for word in left:
        name, equals, path = word.partition("=")
        if word == "--":
            yield from (word, *left)
            return
        if name not in _NAMES:
            yield word
            continue
        path = os.path.expanduser(path if equals else next(left, ""))
        if not path:
            raise RequestError("--flagfile: has no value; write --flagfile=FILE.")
        if path in parents:
            raise RequestError(f"--flagfile={path}: names itself; remove that line.")
        yield from _expand(list(_read_flags(path)), (*parents, path))


def _read_flags(path: str) -> Iterator[str]:
    try:
        # Not only a regular file: a shell gives --flagfile=<(command) as a pipe.
        lines = read_limited(path).decode("utf-8-sig").splitlines()
    except OSError as error:
        raise RequestError(
            f"--flagfile={path}: cannot be read ({error.strerror}); check path and "
            "permissions."
        ) from error
    except UnicodeDecodeError as error:
        raise RequestError(
            f"--flagfile={path}: is not UTF-8 text; save it as UTF-8."
        ) from error
    for number, line in enumerate(map(str.strip, lines), start=1):
        if line and not line.startswith(_COMMENTS):
            yield _to_flag(line, f"--flagfile={path}, line {number}")


def _to_flag(line: str, where: str) -> str:
    """Returns a line as one argument of the command line."""
    match = re.fullmatch(_LINE, line)
    if "\0" in line:
        # No argument of a command line has one. A power failure leaves them in files.
        raise RequestError(f"{where}: has a zero byte; write the line again.")
    if match is None:
        raise RequestError(f"{where}: is not a flag; write --name=value.")
    name, value = match["name"], match["value"]
    quoted = re.fullmatch(_QUOTED, value)
    if quoted is not None:
        return f"--{name}={quoted['inner']}"
    has_value = value or "=" in line
    return f"--{name}={value}" if has_value else f"--{name}"
