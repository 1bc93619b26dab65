"""A folder of photos: those of a class, or those that wait for a class."""

import errno
import os
import re
from pathlib import Path

from corallite.device.image.decoding_limits import MOST_BYTES
from corallite.device.image.preprocess import IMAGE_SUFFIXES
from corallite.device.serve.capture.disk import reporting_failure, require_space
from corallite.device.system import files
from corallite.device.system.errors import RequestError

# What `name_photo` returns.
OWN_NAME = re.compile("[0-9]{8}-[0-9]{6}-[0-9a-f]{4}_[0-9]{4,}(-[0-9]+)?[.]jpg")


class PhotoFolder:
    """The photos in a folder, not those of its sub-folders.

    A photo is named by its file name, which must be in the listing: so no name leads
    out of the folder. Links are not listed.

    Attributes:
        path: Where it is.
    """

    def __init__(self, path: Path) -> None:
        """Takes the path; nothing is read yet."""
        self.path = path

    def names(self) -> list[str]:
        """Returns the names of the photos: recorded ones first, the newest first.

        Raises:
            RequestError: The folder cannot be read.
        """
        with reporting_failure(self.path, "read"), os.scandir(self.path) as entries:
            found = [entry.name for entry in entries if _is_photo(entry)]
        return sorted(found, key=lambda x: (bool(OWN_NAME.fullmatch(x)), x))[::-1]

    def find(self, name: str) -> Path:
        """Returns the path of a photo.

        Raises:
            RequestError: There is no such photo.
        """
        if name not in self.names():
            raise RequestError("This photo is not there any more; reload the page.")
        return self.path / name

    def read(self, name: str) -> bytes:
        """Returns the content of a photo.

        Raises:
            RequestError: There is no such photo, or it cannot be read.
        """
        path = self.find(name)
        with reporting_failure(path, "read"):
            return files.read_limited(path, MOST_BYTES)

    def add(self, name: str, content: bytes) -> None:
        """Writes a photo atomically.

        Raises:
            RequestError: The folder is missing, or the disk is full or fails.
        """
        path = self.path / name
        with reporting_failure(path):
            # It also fails if there is no folder, which writing would create.
            require_space(self.path, len(content))
            files.write_bytes(path, content)

    def delete(self, name: str) -> None:
        """Deletes a photo.

        Raises:
            RequestError: There is no such photo, or it cannot be deleted.
        """
        path = self.find(name)
        with reporting_failure(path, "deleted"):
            path.unlink()

    def move(self, name: str, target: "PhotoFolder") -> None:
        """Moves a photo into another folder; replaces none there.

        Raises:
            RequestError: There is no such photo, or it cannot be moved.
        """
        source, goal = self.find(name), target.free_path(name)
        with reporting_failure(source, "moved"):
            try:
                os.rename(source, goal)
            except OSError as error:
                if error.errno != errno.EXDEV:
                    raise
                # The target is on another disk.
                target.add(goal.name, files.read_limited(source, MOST_BYTES))
                source.unlink()

    def free_path(self, name: str) -> Path:
        """Returns a path that is not in use: this name, or with a number behind it."""
        path, number = self.path / name, 2
        while os.path.lexists(path):
            old = Path(name)
            path = self.path / f"{old.stem}-{number}{old.suffix}"
            number += 1
        return path


def _is_photo(entry: "os.DirEntry[str]") -> bool:
    name = entry.name
    is_named = name.isprintable() and not name.startswith(".")
    is_image = os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
    return is_named and is_image and entry.is_file(follow_symlinks=False)
