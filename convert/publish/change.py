"""Publishes a model in a channel, renews its signatures, or replaces its key."""

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from corallite.convert.publish import channel_folder as folders
from corallite.convert.publish import keys as key_files
from corallite.convert.publish import repository as repositories
from corallite.convert.publish.repository import Repository
from corallite.device.channel.release import Release, digest_of, is_version
from corallite.device.engine.file_kind import find_kind
from corallite.device.engine.open_model import ModelRequest, is_compiled, open_model
from corallite.device.engine.runtime import read_model
from corallite.device.model import selftest
from corallite.device.model.cpu_fallback import name_cpu_fallback
from corallite.device.model.description.describe import describe
from corallite.device.system.errors import RequestError
from corallite.device.system.files import require_folder

# Of a channel where no release was ever for all devices.
_MOST_RELEASES = 20
_Now = Callable[[], datetime]


class Published(NamedTuple):
    """What was published.

    Attributes:
        release: The newest release.
        expires: When devices stop accepting the channel, if it is not renewed.
        key: The file of the key that signs.
        is_changed: Whether anything was written.
        is_new_key: Whether the key was made now.
    """

    release: Release
    expires: datetime
    key: Path
    is_changed: bool = True
    is_new_key: bool = False


def publish(
    model: Path,
    channel: Path,
    keys: Path,
    *,
    rollout: int = 100,
    min_version: str | None = None,
    now: _Now = repositories.utc_now,
) -> Published:
    """Publishes a model; makes the channel and its key if there are none.

    The newest model again only changes for which devices it is. Any other one becomes
    a new release, also if it was published before: that is the way back.

    Args:
        model: A `.tflite` file; of one for the Edge TPU, with the CPU fallback beside.
        channel: The folder to upload.
        keys: The folder of the private keys.
        rollout: Percentage of the devices, 0 to 100.
        min_version: Oldest Corallite that may run it; None for any, or for a model
            that is the newest already, as before.
        now: Returns the time.

    Raises:
        RequestError: The model does not run, or the channel cannot be signed.
    """
    if min_version and not is_version(min_version):
        raise RequestError(
            f"--min_version={min_version}: is not a version; write it as 0.1.0."
        )
    contents = _read_files(model)
    with _open(channel, keys, now(), is_new=True) as repository:
        # Also if the first publication was interrupted.
        is_new_key = repository is None or not repository.releases
        if repository is None:
            signer = key_files.make(keys)
            repository = repositories.create(signer, now())
        else:
            signer = key_files.find(keys, repository.key_ids)
        releases = repository.releases
        release, is_new = _make_release(contents, releases, rollout, min_version)
        former = folders.file_names(repository)
        added = dict(zip(release.targets, contents, strict=True))
        kept = releases if is_new else releases[:-1]
        repositories.set_releases(repository, _prune([*kept, release]), added)
        folders.require_files(repository, channel, added)
        repositories.renew_root(repository, signer, now())
        repositories.sign(repository, [signer], now())
        folders.write(repository, channel, added)
        folders.remove_old(repository, channel, former)
    key = key_files.path_of(keys, signer.public_key.keyid)
    return Published(release, repository.expires, key, is_new_key=is_new_key)


def renew(channel: Path, keys: Path, *, now: _Now = repositories.utc_now) -> Published:
    """Signs a channel again if less than half of its validity is left.

    Raises:
        RequestError: There is no channel, it cannot be signed, or lacks a file.
    """
    with _open(channel, keys, now()) as repository:
        repository = _require(repository, channel)
        folders.require_files(repository, channel)
        signer = key_files.find(keys, repository.key_ids)
        key = key_files.path_of(keys, signer.public_key.keyid)
        root_left = repository.root.signed.expires - now()
        is_due = (
            repository.expires - now() < repositories.VALIDITY / 2
            or root_left < repositories.ROOT_VALIDITY / 2
        )
        if is_due:
            repositories.renew_root(repository, signer, now())
            repositories.sign(repository, [signer], now())
            folders.write(repository, channel, {})
    return Published(repository.releases[-1], repository.expires, key, is_due)


def replace_key(
    channel: Path, keys: Path, *, now: _Now = repositories.utc_now
) -> Published:
    """Replaces the key of a channel by a new one; devices follow.

    Raises:
        RequestError: There is no channel, or its key is missing.
    """
    with _open(channel, keys, now()) as repository:
        repository = _require(repository, channel)
        former = key_files.find(keys, repository.key_ids)
        new = key_files.make(keys)
        repositories.replace_key(repository, former, new, now())
        repositories.sign(repository, [former, new], now())
        folders.write(repository, channel, {})
    key = key_files.path_of(keys, new.public_key.keyid)
    return Published(repository.releases[-1], repository.expires, key, is_new_key=True)


@contextlib.contextmanager
def _open(
    channel: Path, keys: Path, now: datetime, *, is_new: bool = False
) -> Iterator[Repository | None]:
    """Yields a channel, or None, while no other process can change it.

    Args:
        channel: The folder.
        keys: The folder of the private keys.
        now: The time of the next signature.
        is_new: Make the folder if it is missing.
    """
    require_folder(channel)
    key_files.require_private(keys, channel)
    if is_new:
        channel.mkdir(parents=True, exist_ok=True)
    elif not channel.exists():
        _require(None, channel)
    descriptor = os.open(channel, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if (repository := folders.read(channel)) is not None:
            repositories.require_later(repository, now)
        yield repository
    finally:
        os.close(descriptor)


def _require(repository: Repository | None, channel: Path) -> Repository:
    if repository is None or not repository.releases:
        raise RequestError(
            f"{channel}: is not a channel; publish a model there first, with --model."
        )
    return repository


def _make_release(
    contents: Sequence[bytes],
    releases: Sequence[Release],
    rollout: int,
    min_version: str | None,
) -> tuple[Release, bool]:
    """Returns the release of a model, and whether it is a new one."""
    digest = digest_of(sha256(content).hexdigest() for content in contents)
    newest = releases[-1] if releases else None
    if newest is not None and newest.digest == digest:
        least = newest.min_version if min_version is None else min_version
        return newest._replace(rollout=rollout, min_version=least), False
    number = 1 if newest is None else newest.number + 1
    cpu = f"cpu-{number}.tflite" if len(contents) > 1 else ""
    name = f"model-{number}.tflite"
    return Release(number, name, digest, rollout, min_version or "", cpu), True


def _prune(releases: Sequence[Release]) -> Sequence[Release]:
    """Drops the releases before the newest one that all devices may run."""
    for place in reversed(range(len(releases))):
        release = releases[place]
        if release.rollout == 100 and not release.min_version:
            return releases[place:]
    return releases[-_MOST_RELEASES:]


def _read_files(model: Path) -> list[bytes]:
    """Returns the model, and its CPU fallback if it is for the Edge TPU.

    Raises:
        RequestError: It does not run here as a device would run it, on the CPU.
    """
    if find_kind(model) is not None:
        raise RequestError(f"{model}: is not a .tflite file; publish the .tflite file.")
    content = read_model(str(model))
    contents = [content]
    if is_compiled(content, str(model)):
        contents.append(_read_fallback(model))
    elif not describe(model, content).manifest.all_labels:
        raise RequestError(
            f"{model}: has no labels inside, and devices get no other file; make it "
            "with corallite convert, or make a run of it with corallite adopt."
        )
    request = ModelRequest(str(model), device="cpu")
    selftest.check_recorded(open_model(request), str(model))
    return contents


def _read_fallback(model: Path) -> bytes:
    path = Path(name_cpu_fallback(str(model)))
    if path == model or not path.exists():
        raise RequestError(
            f"{model}: is compiled for the Edge TPU; put the file that it was compiled "
            "from beside it, without _edgetpu in its name."
        )
    return read_model(str(path))
