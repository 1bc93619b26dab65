"""The models of a channel on this device: installed, accepted, refused, restored."""

import contextlib
import copy
import fcntl
import os
import threading
from pathlib import Path

from corallite.device.channel import record as records
from corallite.device.channel.record import Installed
from corallite.device.channel.store import Store


class Models:
    """What a device has of a channel, in memory and on its disk.

    One process may change it, the owner. Each step is written before its effect, so
    that the next start finds out what happened.

    Attributes:
        store: The files.
        is_owner: Whether this process is the owner; see `own`.
        unfinished: The number of the release during whose trial the program ended; 0
            for none.
    """

    def __init__(self, folder: Path, version: str) -> None:
        """Reads what is there, and undoes a trial that did not end.

        Args:
            folder: Of the channel; created if necessary.
            version: Of the Corallite that runs here.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(folder)
        self.is_owner = False
        self.unfinished = 0
        self._version = version
        self._path = folder / "record.json"
        self._record = records.read(self._path)
        self._guard = threading.Lock()
        self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def own(self) -> bool:
        """Becomes the owner if there is none; returns whether this process is it.

        Raises:
            OSError: The record cannot be written.
        """
        if not self.is_owner:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            self.is_owner = True
            self._recover()
        return True

    @property
    def current(self) -> Installed | None:
        """The model that passed its trial last."""
        return self._record.current

    @property
    def pending(self) -> Installed | None:
        """The model whose trial has begun in this process."""
        return self._record.pending if self.is_owner else None

    def refusals(self) -> dict[str, str]:
        """Returns why models were refused, by digest."""
        return self._record.refusals(self._version)

    def install(self, model: Installed) -> None:
        """Puts a model in place, to be tried."""
        with self._guard:
            self._record.begin_trial(model)
            self._write()
            self.store.use(model.digest)

    def renumber(self, model: Installed) -> None:
        """Notes that the model in use was published again."""
        with self._guard:
            self._record.current = model
            self._write()

    def end_trial(self, reason: str) -> None:
        """Accepts the pending model, or refuses it and restores the former one.

        Args:
            reason: Why the trial failed; "" if it did not.
        """
        with self._guard:
            if self.pending is None:
                return
            if reason:
                self._record.refuse(self._version, reason)
                self._use_current()
            else:
                self._record.accept()
            self._write()
            kept = [x.digest for x in (self.current, self._record.former) if x]
            self.store.remove_others(kept)

    def give_up_trial(self) -> None:
        """Restores the former model without a refusal, if a trial has begun."""
        with self._guard:
            if self.pending is not None:
                self._record.give_up_trial()
                self._use_current()
                self._write()

    def close(self) -> None:
        """Ends a trial that has not ended, and the ownership."""
        with contextlib.suppress(OSError):
            self.give_up_trial()
        os.close(self._lock)

    def _recover(self) -> None:
        record = self._record = records.read(self._path)
        before = copy.deepcopy(record)
        self.unfinished = record.pending.number if record.pending else 0
        record.recover(self._version)
        if not self._is_whole(record.current):
            record.current, record.former = record.former, None
        if not self._is_whole(record.current):
            record.current = None
        self._use_current()
        if record != before:  # A full disk must not matter to a start.
            self._write()

    def _is_whole(self, model: Installed | None) -> bool:
        return model is not None and self.store.is_whole(model.digest)

    def _use_current(self) -> None:
        if self.current is None:
            self.store.use_none()
        else:
            self.store.use(self.current.digest)

    def _write(self) -> None:
        records.write(self._path, self._record)
