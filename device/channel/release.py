"""The releases of a channel, and which of them a device should run."""

import re
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import Any, NamedTuple

from corallite.device.system.errors import RequestError

# The file of a channel whose URL devices are given: a copy of the newest root.
FILE_NAME = "channel.json"

# Why a device does not run the newest release.
CURRENT = "current"
WAITING = "waiting"
REFUSED = "refused"


class Release(NamedTuple):
    """A model that was published, and the devices that it is for.

    Attributes:
        number: 1 for the first; each new model has the next one.
        target: The signed name of the model's file.
        digest: Identifies the content: SHA-256 in hexadecimal.
        rollout: Percentage of devices, 0 to 100.
        min_version: Oldest Corallite that may run it; "" for any.
        cpu_target: The signed name of the CPU fallback of a file for the Edge TPU; ""
            without.
    """

    number: int
    target: str
    digest: str
    rollout: int = 100
    min_version: str = ""
    cpu_target: str = ""

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of its files, the model first."""
        return tuple(name for name in (self.target, self.cpu_target) if name)

    def to_custom(self) -> dict[str, Any]:
        """Returns what the metadata says of the model's file, besides its hash."""
        return {
            "release": self.number,
            "rollout": self.rollout,
            "min_version": self.min_version,
            "cpu": self.cpu_target,
        }


class Choice(NamedTuple):
    """What a device should run.

    Attributes:
        release: None if there is nothing for this device.
        state: CURRENT if that is the newest release, else why it is not.
        reason: A sentence about it; "" for CURRENT.
        newest: The number of the newest release; 0 without any.
    """

    release: Release | None
    state: str
    reason: str
    newest: int


def read_releases(targets: Mapping[str, Any]) -> list[Release]:
    """Returns the releases of a channel, the oldest first.

    Args:
        targets: The member `targets` of signed targets metadata (TUF 1.0, 4.5).

    Raises:
        RequestError: They are not as `Release.to_custom` writes them.
    """
    try:
        found = [
            _read(name, target["custom"], targets)
            for name, target in targets.items()
            if "custom" in target
        ]
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise RequestError(
            f"the channel has an unknown form ({error!r}); update Corallite."
        ) from error
    return sorted(found, key=lambda release: release.number)


def digest_of(hashes: Iterable[str]) -> str:
    """Returns what identifies files together, from the SHA-256 of each."""
    found = list(hashes)
    return found[0] if len(found) == 1 else sha256("".join(found).encode()).hexdigest()


def choose(
    releases: Collection[Release],
    device: str,
    version: str,
    refused: Mapping[str, str] | None = None,
) -> Choice:
    """Returns the newest release that is for a device.

    Args:
        releases: In order of their numbers.
        device: The device's id.
        version: Of the Corallite that runs here.
        refused: The digests of models that failed here, with the reasons.
    """
    state, reason = CURRENT, ""
    newest = max((release.number for release in releases), default=0)
    for release in reversed(list(releases)):
        why = _why_not(release, device, version, refused or {})
        if why is None:
            return Choice(release, state, reason, newest)
        if not reason:
            state, reason = why
    if not releases:
        state, reason = WAITING, "nothing is published yet"
    return Choice(None, state, reason, newest)


def is_in_rollout(device: str, target: str, percent: int) -> bool:
    """Returns whether a device is among the first so many percent.

    The hash spreads devices evenly, in another order for each release. A device that
    is among the first 25 % is among the first 50 %, too.
    """
    place = int(sha256(f"{device} {target}".encode()).hexdigest(), 16) % 100
    return place < percent


def is_version(text: str) -> bool:
    """Returns whether `text` is numbers with dots between them."""
    return re.fullmatch(r"\d+(\.\d+)*", text) is not None


def _why_not(
    release: Release, device: str, version: str, refused: Mapping[str, str]
) -> tuple[str, str] | None:
    """Returns why a release is not for this device: a state and a sentence, or None."""
    name = f"release {release.number}"
    if release.digest in refused:
        return REFUSED, f"{name} is not used here: {refused[release.digest]}"
    if _numbers(version) < _numbers(release.min_version):
        return WAITING, f"{name} needs Corallite {release.min_version}, not {version}"
    if not is_in_rollout(device, release.target, release.rollout):
        return WAITING, f"{name} is for {release.rollout} % of the devices so far"
    return None


def _numbers(version: str) -> tuple[int, ...]:
    """Returns the numbers of a version, without trailing zeros: 1.0 is 1."""
    start = re.match(r"[0-9.]*", version)
    numbers = [int(word) for word in re.findall(r"\d+", start[0] if start else "")]
    while numbers and not numbers[-1]:
        numbers.pop()
    return tuple(numbers)


def _read(name: str, custom: Any, targets: Mapping[str, Any]) -> Release:
    number, rollout = custom["release"], custom["rollout"]
    texts = name, custom["min_version"], custom["cpu"]
    if {type(number), type(rollout)} != {int} or {type(x) for x in texts} != {str}:
        raise ValueError(name)
    # They become parts of paths and URLs.
    if not all(re.fullmatch(r"[\w.-]*", text) for text in texts):
        raise ValueError(name)
    files = [x for x in (name, custom["cpu"]) if x]
    digest = digest_of(targets[file]["hashes"]["sha256"] for file in files)
    return Release(number, name, digest, rollout, *texts[1:])
