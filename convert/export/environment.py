"""Runs tools whose packages disagree with ours in an environment of their own.

An environment is made when it is first used, in the user's cache folder, with the
packages and versions of `environment_list`. To remove one, remove its folder in
`~/.cache/corallite/environments`; the next use makes it again.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from absl import logging

from corallite.convert.export.environment_list import ENVIRONMENTS, Environment
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.process.limited_process import Ended, run_limited
from corallite.device.system.storage import atomic

# Timeouts: of `python -m venv`, and of pip, which downloads up to a gigabyte.
_CREATE_TIMEOUT_S, _PIP_TIMEOUT_S = 300.0, 3600.0
_MOST_DETAIL = 200
_REMEDY = "Install it again."


def run(name: str, arguments: Sequence[str], *, timeout_s: float) -> str:
    """Runs Python in an environment, which is made if it does not exist.

    Args:
        name: A key of ENVIRONMENTS.
        arguments: For Python, such as ("-m", "tool") or ("-c", code, "argument"). It
            ignores PYTHONPATH, and paths are to be absolute.
        timeout_s: Timeout in seconds, after which it is ended; without installation.

    Returns:
        What it wrote to stdout, the last MiB.

    Raises:
        RequestError: It fails or takes too long, or the environment cannot be made.
    """
    python = prepare(ENVIRONMENTS[name])
    ended = _run_python(python, arguments, timeout_s)
    if ended.status is None:
        raise RequestError(
            f"{name} was ended after {timeout_s:.0f} s; run the command again while "
            "the machine has less to do."
        )
    if ended.status:
        raise RequestError(
            f"{name} failed with status {ended.status} ({_last_line(ended)}); if it "
            f"was damaged, remove {python.parents[1]} and run the command again."
        )
    return ended.stdout


def prepare(needed: Environment) -> Path:
    """Returns the Python of an environment; makes it if it does not exist.

    An environment is complete or absent, also if this is interrupted; of several
    processes that need it, one makes it.

    Raises:
        RequestError: It cannot be made; the message says why and what to do.
    """
    _require_machine(needed)
    base = _find_python(needed)
    folder = _locate(needed, base)
    python = folder / "bin" / "python"
    # Follows the link to the Python that it was made with, which may be gone.
    if not python.exists():
        try:
            with _locked(folder.parent, needed.name):
                if not python.exists():
                    _make(needed, base, folder)
        except OSError as error:
            raise RequestError(
                f"The environment {needed.name} cannot be made in {folder.parent} "
                f"({error.strerror}); make room there and check its permissions, or "
                "set XDG_CACHE_HOME to another folder."
            ) from error
    return python


def _require_machine(needed: Environment) -> None:
    """Requires a processor that the packages exist for."""
    own = platform.machine()
    if needed.machines and own not in needed.machines:
        raise RequestError(
            f"The environment {needed.name} has packages for "
            f"{' and '.join(needed.machines)} only, and this machine is {own}; copy "
            "the run folder to a machine of that kind and run the command there."
        )


def _find_python(needed: Environment) -> str:
    """Returns this Python, or another whose version the packages exist for."""
    own = ".".join(map(str, sys.version_info[:2]))
    if not needed.pythons or own in needed.pythons:
        return sys.executable
    for version in needed.pythons:
        if found := shutil.which(f"python{version}"):
            return found
    raise RequestError(
        f"The environment {needed.name} needs Python {' or '.join(needed.pythons)}, "
        f"and this is {own}; install one, for example: sudo apt install "
        f"python{needed.pythons[0]}-venv."
    )


def _locate(needed: Environment, base: str) -> Path:
    """Returns its folder; another version of a package or of Python has another."""
    content = json.dumps([needed.requirements, os.path.realpath(base)])
    digest = hashlib.sha256(content.encode()).hexdigest()[:12]
    return files.cache_folder() / "environments" / f"{needed.name}-{digest}"


@contextlib.contextmanager
def _locked(folder: Path, name: str) -> Iterator[None]:
    """Waits until no other process makes the environment, and keeps others waiting."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(needed: Environment, base: str, folder: Path) -> None:
    free = shutil.disk_usage(folder.parent).free
    if free < needed.megabytes << 20:
        raise OSError(
            errno.ENOSPC,
            f"it takes {needed.megabytes} MiB, of which {free >> 20} are free",
        )
    logging.info(
        "Installing %s into %s (%d MiB, once).",
        *(needed.requirements[0], folder, needed.megabytes),
    )
    with atomic.replacing_folder(folder) as partial:
        venv = ("-m", "venv", "--without-pip", str(partial))
        ended = _run_python(base, venv, _CREATE_TIMEOUT_S)
        if ended.status != 0:
            raise RequestError(
                f"{base} cannot create the environment {needed.name} "
                f"({_last_line(ended)}); install its module venv."
            )
        # Our pip: Debian's Python has none for new environments. The tools are run as
        # modules, because scripts in bin/ would name the temporary folder.
        pip = ("-m", "pip", "--python", str(partial / "bin" / "python"), "install")
        # The list is complete, and may leave out what a tool does not need here.
        quietly = ("--no-deps", "--quiet", "--no-input", "--disable-pip-version-check")
        arguments = (*pip, *quietly, *needed.requirements)
        _check_installed(needed, _run_python(sys.executable, arguments, _PIP_TIMEOUT_S))


def _check_installed(needed: Environment, ended: Ended) -> None:
    if ended.status == 0:
        return
    if os.strerror(errno.ENOSPC) in ended.text:
        places = f"no space left there or in {tempfile.gettempdir()}"
        raise OSError(errno.ENOSPC, places)
    reason = _last_line(ended)
    if ended.status is None:
        reason = f"not finished after {_PIP_TIMEOUT_S:.0f} s"
    raise RequestError(
        f"{needed.requirements[0]} cannot be installed ({reason}); check the network, "
        "or pip's settings for another index, and run the command again."
    )


def _run_python(
    python: str | Path, arguments: Sequence[str], timeout_s: float
) -> Ended:
    with tempfile.TemporaryDirectory() as folder:
        return run_limited(
            # Isolated: PYTHONPATH and the user's packages may have other versions.
            [str(python), "-I", *arguments],
            folder=Path(folder),
            timeout_s=timeout_s,
            remedy=_REMEDY,
            keeps_apart=True,
        )


def _last_line(ended: Ended) -> str:
    """Returns the last line of stderr, preferably an error of pip."""
    lines = [line.strip() for line in ended.text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    text = (errors or lines or ["no message"])[-1]
    return text.removeprefix("ERROR:").strip().rstrip(".")[:_MOST_DETAIL]
