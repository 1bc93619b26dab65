"""The models of a channel on this device: installed, accepted, refused, restored."""

import contextlib
import copy
import fcntl
import os
import threading
from pathlib import Path

from corallite.device.channel import record as records
from corallite.device.channel.record import Installed, Record
from corallite.device.channel.store import Store
from corallite.device.system.errors import ModelCrashError, ModelFaultError


class Models:
    """What a device has of a channel, in memory and on its disk.

    One process may change it, the owner. Each step is written before its effect, so
    that the next start finds out what happened. The results of trials count even if
    the disk cannot be written: `flush` writes them later.

    Attributes:
        store: The files.
        is_owner: Whether this process is the owner; see `own`.
        unfinished: The number of the release during whose trial the program ended; 0
            for none.
    """

    def __init__(self, folder: Path, version: str, root: bytes | None = None) -> None:
        """Reads what is there.

        Args:
            folder: Of the channel; created if necessary.
            version: Of the Corallite that runs here.
            root: The root that the user trusts; None for that of the first contact.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self.store = Store(folder)
        self.is_owner = False
        self.unfinished = 0
        self._version = version
        self._root = root
        self._path = folder / "record.json"
        self._record = records.read(self._path) or Record()
        # By digest, why models are not used until this process ends.
        self._refused_now: dict[str, str] = {}
        self._is_written = True
        self._guard = threading.Lock()
        self._lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)

    def own(self) -> bool:
        """Becomes the owner if there is none; returns whether this process is it.

        The owner undoes a trial that did not end.

        Raises:
            OSError: The record cannot be written.
        """
        with self._guard:
            if not self.is_owner:
                try:
                    fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    self._record = records.read(self._path) or self._record
                    return False
                self.is_owner = True
                self._recover()
            return True

    @property
    def is_trusted(self) -> bool:
        """Whether the models are of the root that the user trusts."""
        return self._root is None or self.store.read_root() == self._root

    @property
    def current(self) -> Installed | None:
        """The model that passed its trial last."""
        return self._record.current

    @property
    def pending(self) -> Installed | None:
        """The model whose trial has begun in this process."""
        return self._record.pending if self.is_owner else None

    def refusals(self) -> dict[str, str]:
        """Returns why models are not tried, by digest."""
        return {**self._record.refusals(self._version), **self._refused_now}

    def install(self, model: Installed) -> bool:
        """Puts a model in place, to be tried; returns False if its files are gone.

        Raises:
            OSError: The disk cannot be written; nothing has changed.
        """
        with self._guard:
            if not self.store.is_whole(model.digest):
                return False
            record = copy.deepcopy(self._record)
            record.begin_trial(model)
            records.write(self._path, record)
            try:
                self.store.use(model.digest)
            except OSError:
                records.write(self._path, self._record)
                raise
            self._record = record
            return True

    def renumber(self, model: Installed) -> None:
        """Notes that the model in use was published again."""
        with self._guard:
            record = copy.deepcopy(self._record)
            record.current = model
            records.write(self._path, record)
            self._record = record

    def note_tested(self) -> None:
        """Notes that the pending model passed its test, and waits for an image."""
        with self._guard:
            if self.pending is not None:
                self._record.pass_test()
                self._write()

    def end_trial(self, reason: str, error: Exception | None = None) -> None:
        """Accepts the pending model, or restores the former one.

        If the content of the model is at fault, it is refused; if it has crashed, it
        is tried again, three times in all; else it is refused until this process ends.

        Args:
            reason: Why the trial failed; "" if it did not.
            error: What was raised, if anything was.

        Raises:
            OSError: The disk cannot be written; `flush` must be called later.
        """
        with self._guard:
            if (model := self.pending) is None:
                return
            if not reason:
                self._record.accept()
            elif isinstance(error, ModelFaultError):
                self._record.refuse(self._version, reason)
            elif isinstance(error, ModelCrashError):
                self._record.note_crash(self._version, reason)
            else:
                self._record.give_up_trial()
                why = f"{reason}; it is tried again after a restart"
                self._refused_now[model.digest] = why
            self._settle()
            kept = [x.digest for x in (self.current, self._record.former) if x]
            self.store.remove_others(kept)

    def give_up_trial(self) -> None:
        """Restores the former model without a refusal, if a trial has begun."""
        with self._guard:
            if self.pending is not None:
                self._record.give_up_trial()
                self._settle()

    def flush(self) -> None:
        """Writes what could not be written before.

        Raises:
            OSError: The disk cannot be written.
        """
        with self._guard:
            if not self._is_written:
                self._settle()

    def close(self) -> None:
        """Ends a trial that has not ended, and the ownership."""
        with contextlib.suppress(OSError):
            self.give_up_trial()
            self.flush()
        os.close(self._lock)

    def _recover(self) -> None:
        before = records.read(self._path)
        record = copy.deepcopy(before) if before else self._adopt()
        pending = record.pending
        is_crash = record.recover(self._version)
        self.unfinished = pending.number if pending and is_crash else 0
        if not self.is_trusted:
            # They may be of somebody else, as all that the first contact brought.
            record.current = record.former = None
        if not self._is_whole(record.current):
            record.current, record.former = record.former, None
        if not self._is_whole(record.current):
            record.current = None
        self._record = record
        if record != (before or Record()):  # A full disk must not matter to a start.
            self._settle()
        else:
            self._use_current()
        if self._root is not None and not self.is_trusted:
            self.store.forget_metadata()
            self.store.pin_root(self._root)

    def _adopt(self) -> Record:
        """Returns the record of the model in use, for one that is lost or damaged."""
        digest = self.store.find_used()
        return Record(current=Installed(0, digest) if digest else None)

    def _is_whole(self, model: Installed | None) -> bool:
        return model is not None and self.store.is_whole(model.digest)

    def _settle(self) -> None:
        """Makes the disk as the record says."""
        self._is_written = False
        if self._record.pending is None:
            self._use_current()
        self._write()

    def _use_current(self) -> None:
        if self.current is None:
            self.store.use_none()
        else:
            self.store.use(self.current.digest)

    def _write(self) -> None:
        self._is_written = False
        records.write(self._path, self._record)
        self._is_written = True
