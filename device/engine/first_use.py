"""Tries a model file in another process before it is first run in this one.

Runtimes trust what they read: a few damaged files crash TFLite. A file that did not is
remembered by its content and the installed runtime, in the user's cache folder.
"""

import contextlib
import importlib.util
import os
import signal
from _blake2 import blake2b  # hashlib loads OpenSSL, which takes 7 ms of a start.
from pathlib import Path

from corallite.device.engine.file_kind import FileKind
from corallite.device.engine.runtime import choose_runtime
from corallite.device.system.errors import ModelCrashError, RequestError
from corallite.device.system.files import cache_folder

# Enough for a large model on a small board while another loop runs.
_LIMIT_S = 60.0
_CODE = """
from corallite.device.engine.runners.trial import try_in_child
try_in_child(*sys.argv[1:])
"""


def require_no_crash(
    path: str | Path, content: bytes, kind: FileKind | None = None
) -> None:
    """Tries a file if it was not tried on this machine before.

    Args:
        path: A model file.
        content: All of it.
        kind: Its kind; None for a `.tflite` file.

    Raises:
        ModelCrashError: The runtime crashes with it.
        RequestError: The runtime hangs or is killed, or is not installed.
            Other faults are left to the caller, who finds them when it loads the file.
    """
    package = choose_runtime() if kind is None else kind.package
    record = _find_record(content, package)
    # Not `Path.exists`, which raises where the folder may not be entered.
    if record is not None and os.path.exists(record):
        return
    # Imported only when there is a file to try.
    from corallite.device.system.process.isolated import try_python

    runner = "litert" if kind is None else kind.runner
    outcome = try_python(_CODE, runner, str(path), str(os.getpid()), timeout_s=_LIMIT_S)
    if outcome.crashed:
        # What kills it may be a lack of memory or of time.
        is_crash = outcome.signal not in (0, signal.SIGKILL)
        raise (ModelCrashError if is_crash else RequestError)(
            f"{path}: cannot be run ({outcome.failure}); copy or convert it again, or "
            f"update {'the TFLite runtime' if kind is None else package}."
        )
    if record is not None and not outcome.failure:
        _remember(record, path, content, kind)


def _find_record(content: bytes, package: str) -> Path | None:
    """Returns the path of the empty file that exists if the content was tried.

    None without a cache folder: then a file is tried at each start.
    """
    spec = importlib.util.find_spec(package)
    place = spec and spec.origin or ""
    # Its version: reading that from the package's metadata takes a tenth of the start.
    installed_ns = os.stat(place).st_mtime_ns if place else 0
    digest = blake2b(content, digest_size=16)
    digest.update(f"{place} {installed_ns} {os.uname().machine}".encode())
    record = cache_folder() / "tried_models" / digest.hexdigest()
    return record if record.is_absolute() else None


def _remember(
    record: Path, path: str | Path, content: bytes, kind: FileKind | None
) -> None:
    with contextlib.suppress(OSError):  # A service may not be allowed to write it.
        # If the file was replaced meanwhile, another content was tried.
        if kind is not None or Path(path).read_bytes() == content:
            record.parent.mkdir(parents=True, exist_ok=True)
            record.touch()
