"""What a device remembers of a channel: the models that it runs, ran and refused."""

import contextlib
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from corallite.device.system import files
from corallite.device.system.errors import RequestError

# The oldest refusals are forgotten: their releases are long gone from the channel.
_MOST_REFUSED = 20
# A power cut may end a trial, or two; the third time, it is because of the model.
_MOST_TRIALS = 3


@dataclass(frozen=True)
class Installed:
    """A model on this device: the release that it came with, and its content.

    The number is 0 if it is not known.
    """

    number: int
    digest: str


@dataclass
class Record:
    """The models of a channel on this device.

    Attributes:
        current: The model that passed its trial last; None before the first.
        former: The one before; None without.
        pending: The model that is being tried; None without.
        trials: Of the model that was tried last, how many trials have crashed or are
            going on, by digest.
        refused: By digest, the Corallite that refused it, and why.
    """

    current: Installed | None = None
    former: Installed | None = None
    pending: Installed | None = None
    trials: dict[str, int] = field(default_factory=dict)
    refused: dict[str, tuple[str, str]] = field(default_factory=dict)

    def begin_trial(self, model: Installed) -> None:
        """Notes that the program may end because of `model`."""
        self.pending = model
        self.trials = {model.digest: self.trials.get(model.digest, 0) + 1}

    def pass_test(self) -> None:
        """Notes that the pending model works; it only waits for an image."""
        if self.pending is not None:
            self.trials.pop(self.pending.digest, None)

    def accept(self) -> None:
        """Notes that the pending model passed its trial."""
        model = self._end_trial()
        if self.current is None or self.current.digest != model.digest:
            self.former = self.current
        self.current = model

    def refuse(self, version: str, reason: str) -> None:
        """Notes that the pending model failed; it is not tried again.

        Args:
            version: Of the Corallite that runs here; a later one tries it again.
            reason: A part of a sentence.
        """
        model = self._end_trial()
        self.refused[model.digest] = (version, reason)
        for digest in list(self.refused)[:-_MOST_REFUSED]:
            del self.refused[digest]

    def give_up_trial(self) -> None:
        """Notes that the trial ended for a reason that is not the model's content."""
        self._end_trial()

    def note_crash(self, version: str, reason: str) -> bool:
        """Notes that the pending model crashed; returns whether it is refused now.

        Args:
            version: As of `refuse`.
            reason: A part of a sentence.
        """
        if self.pending is None:
            return False
        if self.trials.get(self.pending.digest, 0) >= _MOST_TRIALS:
            self.refuse(version, f"{reason}, in {_MOST_TRIALS} trials")
            return True
        self.pending = None
        return False

    def recover(self, version: str) -> bool:
        """Ends a trial that ended the program; called at the start.

        Returns:
            Whether there was one; not if the model only waited for an image.
        """
        if self.pending is None or self.pending.digest not in self.trials:
            self.pending = None
            return False
        self.note_crash(version, "the program ended during its trial")
        return True

    def refusals(self, version: str) -> dict[str, str]:
        """Returns the reasons of the refusals by this version, by digest."""
        return {
            digest: reason
            for digest, (refuser, reason) in self.refused.items()
            if refuser == version
        }

    def _end_trial(self) -> Installed:
        model, self.pending = self.pending, None
        if model is None:
            raise RuntimeError("no trial has begun")
        self.trials.pop(model.digest, None)
        return model


def read(path: Path) -> Record | None:
    """Reads the record; returns None if the file is missing or damaged."""
    with contextlib.suppress(OSError, RequestError):
        return files.read_record(path, _parse)
    return None


def write(path: Path, record: Record) -> None:
    """Writes the record atomically."""
    files.write_json(path, asdict(record))


def _parse(content: dict[str, Any]) -> Record:
    trials = {str(digest): int(count) for digest, count in content["trials"].items()}
    refused = {
        str(digest): (str(version), str(reason))
        for digest, (version, reason) in content["refused"].items()
    }
    return Record(
        _parse_model(content["current"]),
        _parse_model(content["former"]),
        _parse_model(content["pending"]),
        trials,
        refused,
    )


def _parse_model(content: dict[str, Any] | None) -> Installed | None:
    if content is None:
        return None
    # The digest becomes part of a path.
    digest = f"{int(content['digest'], 16):064x}"
    return Installed(int(content["number"]), digest)
