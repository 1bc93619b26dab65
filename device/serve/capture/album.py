"""The folder of photos: one folder for each class."""

import contextlib
import os
import threading
import unicodedata
from collections.abc import Callable
from pathlib import Path

from corallite.device.serve.capture.class_names import check_class_name
from corallite.device.serve.capture.disk import reporting_failure
from corallite.device.serve.capture.photo_folder import PhotoFolder
from corallite.device.system.errors import RequestError
from corallite.device.system.storage.atomic import remove_all_leftovers


class Album:
    """Classes and their photos; may be used from any thread.

    Attributes:
        path: The folder.
    """

    def __init__(self, path: Path) -> None:
        """Creates the folder if it is missing, and removes what killed writers left.

        Raises:
            RequestError: It cannot be created or read.
        """
        self.path = path
        # Held by every change, so that no class is removed while a photo is written
        # into it.
        self._lock = threading.RLock()
        with reporting_failure(path, "used as a folder of photos"):
            path.mkdir(parents=True, exist_ok=True)
            for label in self.labels():
                remove_all_leftovers(path / label)

    def labels(self) -> list[str]:
        """Returns the names of the classes, sorted.

        Raises:
            RequestError: The folder cannot be read.
        """
        with reporting_failure(self.path, "read"), os.scandir(self.path) as entries:
            return sorted(entry.name for entry in entries if _is_class(entry))

    def folders(self) -> dict[str, PhotoFolder]:
        """Returns the photos of each class, to be read; sorted by label.

        Raises:
            RequestError: The folder cannot be read.
        """
        return {label: PhotoFolder(self.path / label) for label in self.labels()}

    def find(self, label: str) -> PhotoFolder:
        """Returns the photos of a class, to be read.

        Raises:
            RequestError: There is no such class.
        """
        if label not in self.labels():
            raise RequestError("This class is not there any more; reload the page.")
        return PhotoFolder(self.path / label)

    def change(self, label: str, change: Callable[[PhotoFolder], None]) -> None:
        """Changes the photos of a class, while nothing else changes the album.

        Raises:
            RequestError: There is no such class, or `change` raises it.
        """
        with self._lock:
            change(self.find(label))

    def move(self, source: PhotoFolder, name: str, label: str) -> None:
        """Moves a photo into a class.

        Raises:
            RequestError: There is no such photo or class, or it cannot be moved.
        """
        self.change(label, lambda target: source.move(name, target))

    def add_class(self, text: str) -> str:
        """Creates a class; returns its name.

        Raises:
            RequestError: The name is not allowed or in use, or the disk fails.
        """
        name = check_class_name(text)
        with self._lock, reporting_failure(self.path / name, "created"):
            # A folder from another system may be named in another normal form.
            known = [unicodedata.normalize("NFC", x.name) for x in self.path.iterdir()]
            if name in known:
                raise RequestError(
                    f"There is a class {name} already; give another name."
                )
            (self.path / name).mkdir()
        return name

    def remove_class(self, label: str) -> None:
        """Removes a class without photos.

        Raises:
            RequestError: There is no such class, or its folder is not empty.
        """
        with self._lock:
            folder = self.find(label)
            if folder.names():
                raise RequestError(f"{label} has photos; delete or move them first.")
            with reporting_failure(folder.path, "removed"):
                with contextlib.suppress(OSError):
                    remove_all_leftovers(folder.path)
                folder.path.rmdir()


def _is_class(entry: "os.DirEntry[str]") -> bool:
    name = entry.name
    is_named = name.isprintable() and not name.startswith(".")
    return is_named and entry.is_dir(follow_symlinks=False)
