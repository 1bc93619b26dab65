"""The signed metadata of a channel: The Update Framework 1.0, theupdateframework.io."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from securesystemslib.signer import Signer
from tuf.api.metadata import (
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from corallite.device.channel.release import Release, read_releases
from corallite.device.system.errors import RequestError

# One person holds the only key. Three months let that person be away for one and
# renew monthly; a server that keeps back a release can do so for that time at most.
VALIDITY = timedelta(days=90)
# Signed anew by a device's chain of trust, so rarely; a device may be off that long.
ROOT_VALIDITY = timedelta(days=730)
_ROLES = (Root.type, Timestamp.type, Snapshot.type, Targets.type)


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
        """When devices stop accepting it."""
        parts = self.root, self.targets, self.snapshot, self.timestamp
        return min(part.signed.expires for part in parts)


def create(signer: Signer, now: datetime) -> Repository:
    """Returns an empty channel with one key."""
    root = Root(version=1, expires=now + ROOT_VALIDITY, consistent_snapshot=True)
    for role in _ROLES:
        root.add_key(signer.public_key, role)
    made = Metadata(root)
    made.sign(signer)
    return without_releases(made)


def require_later(repository: Repository, now: datetime) -> None:
    """Raises `RequestError` if a channel was signed after `now`.

    Its signatures would expire before those that devices have.
    """
    signed = repository.timestamp.signed.expires - VALIDITY
    if repository.releases and now < signed:
        raise RequestError(
            f"The time is {now:%Y-%m-%d %H:%M} UTC, but the channel was signed at "
            f"{signed:%Y-%m-%d %H:%M}; correct the date of this machine."
        )


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


def without_releases(root: Metadata[Root]) -> Repository:
    """Returns an empty channel with this root; nothing else of it is signed."""
    empty = Targets(version=1), Snapshot(version=1), Timestamp(version=1)
    return Repository(root, *map(Metadata, empty))  # type: ignore[arg-type]


def _sign(part: Metadata[Any], signers: Sequence[Signer]) -> None:
    part.signatures.clear()
    for signer in signers:
        part.sign(signer, append=True)


def utc_now() -> datetime:
    """Returns the current time."""
    return datetime.now(timezone.utc)
