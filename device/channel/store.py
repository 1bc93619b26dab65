"""The models of a channel on the disk of a device."""

import contextlib
import os
import shutil
from collections.abc import Collection
from hashlib import sha256
from pathlib import Path

from corallite.device.channel.release import digest_of
from corallite.device.system.storage import atomic

MODEL = "model.tflite"
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
        folder = self.folder_of(digest)
        files = [folder / MODEL, folder / CPU_FALLBACK]
        try:
            hashes = [
                sha256(file.read_bytes()).hexdigest()
                for file in files
                if file.name == MODEL or file.exists()
            ]
        except OSError:
            return False
        return digest_of(hashes) == digest

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
