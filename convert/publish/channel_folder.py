"""The folder of a channel: reads and writes its signed files."""

import contextlib
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root, Snapshot, TargetFile, Targets, Timestamp

from corallite.convert.publish.repository import Repository, without_releases
from corallite.device.channel.release import FILE_NAME
from corallite.device.system import files
from corallite.device.system.errors import RequestError

_T = TypeVar("_T", Root, Snapshot, Targets, Timestamp)

# Older ones are kept for devices that are in the middle of a poll.
_KEPT_VERSIONS = 3


def read(folder: Path) -> Repository | None:
    """Reads a channel; None if the folder has none.

    Of a first publication that was interrupted, only the root is there, and the
    channel has no releases.

    Raises:
        RequestError: Its files are damaged or missing.
    """
    metadata = folder / "metadata"
    path = metadata / "timestamp.json"
    roots = _versions(metadata, Root.type)
    if not (path.exists() or roots or (folder / FILE_NAME).exists()):
        return None
    try:
        root = _load(metadata / f"{max(roots, default=1)}.root.json", Root)
        if not path.exists() and _is_unfinished(folder):
            return without_releases(root)
        timestamp = _load(path, Timestamp)
        version = timestamp.signed.snapshot_meta.version
        snapshot = _load(metadata / f"{version}.snapshot.json", Snapshot)
        version = snapshot.signed.meta["targets.json"].version
        targets = _load(metadata / f"{version}.targets.json", Targets)
    except FileNotFoundError as error:
        raise RequestError(
            f"{error.filename}: is missing; copy the folder {folder} back from your "
            "server."
        ) from error
    except (OSError, ValueError, exceptions.RepositoryError, KeyError) as error:
        raise RequestError(
            f"{metadata}: is damaged ({error}); copy the folder {folder} back from "
            "your server."
        ) from error
    return Repository(root, targets, snapshot, timestamp)


def require_files(
    repository: Repository, folder: Path, added: Collection[str] = ()
) -> None:
    """Raises `RequestError` if a file that devices may download is not as signed.

    Args:
        repository: The channel.
        folder: Of the channel.
        added: Targets that `write` writes.
    """
    for target in repository.targets.signed.targets.values():
        path = folder / "targets" / _prefixed(target)
        if target.path not in added and not _is_whole(path, target):
            raise RequestError(
                f"{path}: is missing or damaged; copy the folder {folder} back from "
                "your server, or publish a model for all devices."
            )


def write(repository: Repository, folder: Path, added: Mapping[str, bytes]) -> None:
    """Writes a channel so that a device sees the former state or the new one.

    A file is there before what names it. A first root comes first, because it tells
    which key can finish the publication. A new root comes last: until then, what both
    keys have signed is accepted by the former root.

    Args:
        repository: Signed.
        folder: Of the channel.
        added: New files, by target.
    """
    metadata = folder / "metadata"
    root = repository.root.to_bytes()
    root_path = metadata / f"{repository.root.signed.version}.{Root.type}.json"
    if not (metadata / "timestamp.json").exists():
        _write_changed(root_path, root)
    for target, content in added.items():
        name = _prefixed(repository.targets.signed.targets[target])
        _write_changed(folder / "targets" / name, content)
    targets, snapshot = repository.targets, repository.snapshot
    for role, part in ((Targets.type, targets), (Snapshot.type, snapshot)):
        path = metadata / f"{part.signed.version}.{role}.json"
        files.write_bytes(path, part.to_bytes())
    files.write_bytes(metadata / "timestamp.json", repository.timestamp.to_bytes())
    for path in (root_path, folder / FILE_NAME):
        _write_changed(path, root)


def remove_old(repository: Repository, folder: Path, kept: Iterable[str]) -> None:
    """Removes files that no device asks for any more.

    Args:
        repository: As written.
        folder: Of the channel.
        kept: Names of files to keep, see `file_names`: of the state before.
    """
    names = {*kept, *file_names(repository)}
    metadata = folder / "metadata"
    with contextlib.suppress(OSError):
        for path in (folder / "targets").iterdir():
            if re.match("[0-9a-f]{64}[.]", path.name) and path.name not in names:
                path.unlink()
        for role in (Targets.type, Snapshot.type):
            for version in sorted(_versions(metadata, role))[:-_KEPT_VERSIONS]:
                (metadata / f"{version}.{role}.json").unlink()


def file_names(repository: Repository) -> set[str]:
    """Returns the names of the files of all releases, in the folder `targets`."""
    return {_prefixed(x) for x in repository.targets.signed.targets.values()}


def _write_changed(path: Path, content: bytes) -> None:
    if not path.exists() or path.read_bytes() != content:
        files.write_bytes(path, content)


def _is_whole(path: Path, target: TargetFile) -> bool:
    try:
        target.verify_length_and_hashes(path.read_bytes())
    except (OSError, exceptions.LengthOrHashMismatchError):
        return False
    return True


def _is_unfinished(folder: Path) -> bool:
    """Returns whether the first publication was interrupted before its end."""
    metadata = folder / "metadata"
    versions = *_versions(metadata, Root.type), *_versions(metadata, Targets.type)
    return not (folder / FILE_NAME).exists() and max(versions) == 1


def _prefixed(target: TargetFile) -> str:
    return f"{target.hashes['sha256']}.{target.path}"


def _versions(metadata: Path, role: str) -> list[int]:
    names = [x.name for x in metadata.iterdir()] if metadata.is_dir() else []
    found = (re.fullmatch(rf"(\d+)\.{role}\.json", name) for name in names)
    return [int(name[1]) for name in found if name]


def _load(path: Path, kind: type[_T]) -> Metadata[_T]:
    loaded: Metadata[Any] = Metadata.from_bytes(path.read_bytes())
    if not isinstance(loaded.signed, kind):
        raise ValueError(f"{path.name} is of another kind")
    return loaded
