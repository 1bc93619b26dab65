"""The models of a channel on the disk of a device."""

import contextlib
import os
import shutil
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

from corallite.device.channel.release import digest_of
from corallite.device.system import files
from corallite.device.system.storage import atomic

MODEL = "model.tflite"
_PINNED = "trusted_root.json"
CPU_FALLBACK = "cpu.tflite"


class Store:
    """A folder for each model, and a link to that of the model in use.

    The link is replaced in one step, so that a model and its CPU fallback change
    together, and the way back is another link to files that are still there.
    """

    def __init__(self, folder: Path) -> None:
        """Takes the folder of a channel, which need not exist yet."""
        self.folder = folder
        self._models = folder / "models"
        self._link = folder / "current"
        self._pinned = folder / _PINNED

    @property
    def model(self) -> Path:
        """The path of the model in use, whichever that is."""
        return self._link / MODEL

    @property
    def cpu_fallback(self) -> Path:
        """The path of its CPU fallback, which exists only for the Edge TPU."""
        return self._link / CPU_FALLBACK

    def folder_of(self, digest: str) -> Path:
        """Returns the folder of a model; the start of a hash is enough for a name."""
        return self._models / digest[:32]

    def is_whole(self, digest: str) -> bool:
        """Returns whether the model's files are here and have that content."""
        return _digest_in(self.folder_of(digest)) == digest

    def find_used(self) -> str:
        """Returns the digest of the model in use; "" without or if it is damaged."""
        digest = _digest_in(self._link)
        is_whole = self._link.resolve() == self.folder_of(digest).resolve()
        return digest if is_whole else ""

    def read_root(self) -> bytes | None:
        """Returns the root that is trusted; None before the first contact."""
        with contextlib.suppress(OSError):
            return self._pinned.read_bytes()
        return None

    def pin_root(self, root: bytes) -> None:
        """Trusts a root from now on."""
        files.write_bytes(self._pinned, root)

    def forget_metadata(self) -> None:
        """Removes the metadata that another root has signed."""
        shutil.rmtree(self.folder / "metadata", ignore_errors=True)

    def use(self, digest: str) -> None:
        """Makes a model that of `model`, in one step."""
        target = os.path.relpath(self.folder_of(digest), self.folder)
        if self._link.is_symlink() and os.readlink(self._link) == target:
            return
        self._link.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._link.with_name(".current.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(target)
        os.replace(fresh, self._link)

    def use_none(self) -> None:
        """Makes the path of `model` lead to nothing."""
        self._link.unlink(missing_ok=True)

    def remove_others(self, digests: Collection[str]) -> None:
        """Removes all models but these, and what unfinished downloads left."""
        kept = {self.folder_of(digest).name for digest in digests}
        with contextlib.suppress(OSError):
            atomic.remove_all_leftovers(self._models)
            for folder in self._models.iterdir():
                # Hidden ones belong to a live download.
                if folder.name not in kept and not folder.name.startswith("."):
                    shutil.rmtree(folder, ignore_errors=True)


def _digest_in(folder: Path) -> str:
    """Returns the digest of the model in a folder; "" if it cannot be read."""
    found = [folder / MODEL, folder / CPU_FALLBACK]
    try:
        hashes = [
            sha256(file.read_bytes()).hexdigest()
            for file in found
            if file.name == MODEL or file.exists()
        ]
    except OSError:
        return ""
    return digest_of(hashes)
