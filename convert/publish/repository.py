"""The signed metadata of a channel: The Update Framework 1.0, theupdateframework.io."""

import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, TypeVar

from securesystemslib.signer import Signer
from tuf.api import exceptions
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from corallite.device.channel.release import FILE_NAME, Release, read_releases
from corallite.device.system import files
from corallite.device.system.errors import RequestError

_T = TypeVar("_T", Root, Snapshot, Targets, Timestamp)

# One person holds the only key. Three months let that person be away for one and
# renew monthly; a server that keeps back a release can do so for that time at most.
VALIDITY = timedelta(days=90)
# Signed anew by a device's chain of trust, so rarely; a device may be off that long.
ROOT_VALIDITY = timedelta(days=730)
_ROLES = (Root.type, Timestamp.type, Snapshot.type, Targets.type)
# Older ones are kept for devices that are in the middle of a poll.
_KEPT_VERSIONS = 3


@dataclass
class Repository:
    """The four signed files of a channel."""

    root: Metadata[Root]
    targets: Metadata[Targets]
    snapshot: Metadata[Snapshot]
    timestamp: Metadata[Timestamp]

    @property
    def releases(self) -> list[Release]:
        """The releases that devices may run, the oldest first."""
        return read_releases(self.targets.signed.to_dict()["targets"])

    @property
    def key_ids(self) -> list[str]:
        """The ids of the keys that may sign; one, as `create` makes it."""
        return list(self.root.signed.roles[Root.type].keyids)

    @property
    def expires(self) -> datetime:
        """When devices stop to accept it."""
        parts = self.root, self.targets, self.snapshot, self.timestamp
        return min(part.signed.expires for part in parts)


def create(signer: Signer, now: datetime) -> Repository:
    """Returns an empty channel with one key."""
    root = Root(version=1, expires=now + ROOT_VALIDITY, consistent_snapshot=True)
    for role in _ROLES:
        root.add_key(signer.public_key, role)
    made = Metadata(root)
    made.sign(signer)
    empty = Targets(version=1), Snapshot(version=1), Timestamp(version=1)
    return Repository(made, *map(Metadata, empty))  # type: ignore[arg-type]


def read(folder: Path) -> Repository | None:
    """Reads a channel; None if the folder has none.

    Raises:
        RequestError: Its files are damaged or missing.
    """
    metadata = folder / "metadata"
    path = metadata / "timestamp.json"
    if not path.exists():
        return None
    try:
        timestamp = _load(path, Timestamp)
        version = timestamp.signed.snapshot_meta.version
        snapshot = _load(metadata / f"{version}.snapshot.json", Snapshot)
        version = snapshot.signed.meta["targets.json"].version
        targets = _load(metadata / f"{version}.targets.json", Targets)
        version = max(_versions(metadata, Root.type))
        root = _load(metadata / f"{version}.root.json", Root)
    except (OSError, ValueError, exceptions.RepositoryError, KeyError) as error:
        raise RequestError(
            f"{metadata}: is damaged ({error}); copy the folder back from your server."
        ) from error
    return Repository(root, targets, snapshot, timestamp)


def sign(repository: Repository, signers: Sequence[Signer], now: datetime) -> None:
    """Signs all but the root again, as the next version.

    Args:
        repository: Changed in place.
        signers: The key; while it is replaced, the former one too, for devices that
            have not seen the new root.
        now: When the validity begins.
    """
    targets, snapshot = repository.targets, repository.snapshot
    timestamp = repository.timestamp
    for part in (targets, snapshot, timestamp):
        # A new channel begins with 1; nothing was signed before.
        part.signed.version += bool(part.signatures)
        part.signed.expires = now + VALIDITY
    snapshot.signed.meta["targets.json"] = MetaFile(targets.signed.version)
    timestamp.signed.snapshot_meta = MetaFile(snapshot.signed.version)
    for part in (targets, snapshot, timestamp):
        _sign(part, signers)


def renew_root(repository: Repository, signer: Signer, now: datetime) -> None:
    """Signs the root again if less than half of its validity is left."""
    root = repository.root.signed
    if root.expires - now < ROOT_VALIDITY / 2:
        root.version += 1
        root.expires = now + ROOT_VALIDITY
        _sign(repository.root, [signer])


def replace_key(
    repository: Repository, former: Signer, new: Signer, now: datetime
) -> None:
    """Gives all roles to a new key; both sign the root, so that devices follow."""
    root = repository.root.signed
    for role in _ROLES:
        for key_id in list(root.roles[role].keyids):
            root.revoke_key(key_id, role)
        root.add_key(new.public_key, role)
    root.version += 1
    root.expires = now + ROOT_VALIDITY
    _sign(repository.root, [former, new])


def set_releases(
    repository: Repository,
    releases: Iterable[Release],
    added: Mapping[str, bytes],
) -> None:
    """Replaces the releases.

    Args:
        repository: Changed in place.
        releases: The new ones, and old ones that stay.
        added: The files of the new ones, by target.
    """
    known = repository.targets.signed.targets
    found: dict[str, TargetFile] = {}
    for release in releases:
        for target in release.targets:
            content = added.get(target)
            found[target] = (
                known[target]
                if content is None
                else TargetFile.from_data(target, content, ["sha256"])
            )
        fields = found[release.target].unrecognized_fields
        fields["custom"] = release.to_custom()
    repository.targets.signed.targets = found


def write(repository: Repository, folder: Path, added: Mapping[str, bytes]) -> None:
    """Writes a channel so that a device sees the former state or the new one.

    A file is there before what names it. A new root comes last: until then, what both
    keys have signed is accepted by the former root.

    Args:
        repository: Signed.
        folder: Of the channel.
        added: New files, by target.
    """
    metadata = folder / "metadata"
    for target, content in added.items():
        name = _prefixed(repository.targets.signed.targets[target])
        files.write_bytes(folder / "targets" / name, content)
    targets, snapshot = repository.targets, repository.snapshot
    for role, part in ((Targets.type, targets), (Snapshot.type, snapshot)):
        path = metadata / f"{part.signed.version}.{role}.json"
        files.write_bytes(path, part.to_bytes())
    files.write_bytes(metadata / "timestamp.json", repository.timestamp.to_bytes())
    root = repository.root.to_bytes()
    version = repository.root.signed.version
    for path in (metadata / f"{version}.{Root.type}.json", folder / FILE_NAME):
        if not path.exists() or path.read_bytes() != root:
            files.write_bytes(path, root)


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


def _prefixed(target: TargetFile) -> str:
    return f"{target.hashes['sha256']}.{target.path}"


def _sign(part: Metadata[Any], signers: Sequence[Signer]) -> None:
    part.signatures.clear()
    for signer in signers:
        part.sign(signer, append=True)


def _versions(metadata: Path, role: str) -> list[int]:
    names = (re.fullmatch(rf"(\d+)\.{role}\.json", x.name) for x in metadata.iterdir())
    return [int(name[1]) for name in names if name]


def _load(path: Path, kind: type[_T]) -> Metadata[_T]:
    loaded: Metadata[Any] = Metadata.from_bytes(path.read_bytes())
    if not isinstance(loaded.signed, kind):
        raise ValueError(f"{path.name} is of another kind")
    return loaded


def utc_now() -> datetime:
    """Returns the current time."""
    return datetime.now(timezone.utc)
