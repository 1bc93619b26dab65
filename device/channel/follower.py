"""Follows a channel: polls it, and hands new models to the running engine."""

import contextlib
import importlib.metadata
import os
import random
import threading
from collections.abc import Callable
from typing import TypeVar

from corallite.device.channel.address import Channel
from corallite.device.channel.device_id import read_device_id
from corallite.device.channel.models import Models
from corallite.device.channel.packages import require_packages
from corallite.device.channel.question import Question, Reply, ask
from corallite.device.channel.record import Installed
from corallite.device.channel.release import CURRENT, REFUSED, WAITING
from corallite.device.channel.status import (
    FAILED,
    ROLLED_BACK,
    SHARED,
    STARTING,
    TRYING,
    ChannelStatus,
)
from corallite.device.system import log
from corallite.device.system.errors import ModelCrashError, RequestError
from corallite.device.system.files import printable

_T = TypeVar("_T")

# A release reaches every device within twelve minutes, for two small requests a poll.
_POLL_S = 600.0
# Spreads the requests of devices that start together, after a power cut.
_FIRST_S = (5.0, 60.0)
_JITTER = (0.8, 1.2)
# Of a service without a model, between polls and before it exits: systemd starts it
# again after 2 s, and ends a start after 180 s.
_FIRST_PAUSES_S = (15.0, 40.0, 80.0)
_CLOSE_LIMIT_S = 2.0
_MOST_CHARACTERS = 255


class Follower:
    """Keeps a model of a channel on this device, and keeps it up to date.

    A thread waits, another process polls. The engine tries what is new, as it does
    with any file that has changed; a file that is damaged is not tried again.
    """

    def __init__(self, channel: Channel, *, poll_s: float = _POLL_S) -> None:
        """Reads what is on this device; uses no network.

        Args:
            channel: Where the channel is.
            poll_s: Mean time between polls.

        Raises:
            RequestError: A package is missing.
            OSError: The folder of the channel cannot be written.
        """
        require_packages("A channel")
        self._channel = channel
        self._poll_s = poll_s
        self._version = importlib.metadata.version("corallite")
        self._ask_to_swap: Callable[[], None] = lambda: None
        self._asked = threading.Event()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self._status = ChannelStatus()
        self._models = Models(channel.folder, self._version, channel.root)
        self._own()

    def status(self) -> ChannelStatus:
        """Returns the status; may be called from any thread."""
        return self._status

    def open(self, load: Callable[[str, str], _T]) -> _T:
        """Returns what `load` makes of the model of this device.

        Without a model it polls first; also if the one that it has cannot be opened
        any more, because a newer release may help.

        Args:
            load: Takes the paths of the model and of its CPU fallback, which need not
                exist; a `RequestError` refuses them.

        Raises:
            RequestError: There is no model that can be opened.
        """
        if not self._models.is_trusted:
            raise RequestError(
                "--channel_root: is not the root that this device trusts, and cannot "
                f"replace it ({self._status.channel_reason}); start again when that "
                "has changed."
            )
        is_new = not self._models.store.model.exists()
        if is_new and not self._poll_for_first():
            raise RequestError(
                f"{self._channel.name}: there is no model for this device "
                f"({self._status.channel_reason}); start again when that has changed."
            )
        try:
            return self._load(load)
        except RequestError:
            if is_new or not self._own() or not self._poll():
                raise
            return self._load(load)

    def start(self, ask_to_swap: Callable[[], None]) -> None:
        """Begins to poll.

        Args:
            ask_to_swap: Requests a trial of the model's files, whose result
                `note_tried` gets.
        """
        self._ask_to_swap = ask_to_swap
        # Daemon: a poll may wait for the network, and ends with this process.
        self._thread = threading.Thread(target=self._run, name="channel", daemon=True)
        self._thread.start()

    def ask_to_poll(self) -> None:
        """Requests a poll now; for a signal handler."""
        self._asked.set()

    def note_tested(self) -> None:
        """Notes that the model works and waits for an image, as `note_tried`."""
        try:
            self._models.note_tested()
        except OSError as error:
            self._note_disk(error)

    def note_tried(self, reason: str, error: Exception | None = None) -> bool:
        """Takes the result of a trial; called by the engine's watcher.

        Args:
            reason: Why the model is not used; "" if it runs.
            error: What was raised, if anything was.

        Returns:
            Whether the former files, which are still in use, are back in their place.
        """
        if self._closing.is_set():
            return False
        reason = reason.rstrip(".")[:_MOST_CHARACTERS]
        if (tried := self._models.pending) is None:
            self._own()  # Another process may have accepted the model by now.
            return False
        try:
            self._models.end_trial(reason, error)
        except OSError as failure:
            self._note_disk(failure)
            return False
        why = self._models.refusals().get(tried.digest)
        if not reason:
            self._note(CURRENT, "")
        elif why is not None:
            self._note(REFUSED, f"release {tried.number} is not used here: {why}")
        else:
            why = f"release {tried.number} has crashed and is tried again: {reason}"
            self._note(ROLLED_BACK, why)
        return bool(reason)

    def close(self) -> None:
        """Ends the polls; a trial that has not ended is repeated after a restart."""
        self._closing.set()
        self._asked.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_LIMIT_S)
        self._models.close()

    def _load(self, load: Callable[[str, str], _T]) -> _T:
        store = self._models.store
        try:
            opened = load(str(store.model), str(store.cpu_fallback))
        except RequestError as error:
            if (first := self._models.pending) is None:
                raise
            # Perhaps because of a flag: so it is not refused for good.
            with contextlib.suppress(OSError):
                if isinstance(error, ModelCrashError):
                    self._models.end_trial(str(error), error)
                self._models.give_up_trial()
            why = str(error).removeprefix(f"{store.model}: ").rstrip(".")
            raise RequestError(
                f"{self._channel.name}: release {first.number} cannot be used here "
                f"({why}); publish another model, or change the flags."
            ) from error
        self.note_tried("")
        return opened

    def _poll_for_first(self) -> bool:
        """Polls for a first model, in a service several times; returns if it came."""
        if "NOTIFY_SOCKET" not in os.environ:
            return self._own() and self._poll()
        for pause_s in _FIRST_PAUSES_S:
            if self._own() and self._poll():
                return True
            self._closing.wait(pause_s * random.uniform(*_JITTER))
        return False

    def _run(self) -> None:
        wait_s = random.uniform(*_FIRST_S)
        while not self._closing.is_set():
            self._asked.wait(wait_s)
            self._asked.clear()
            wait_s = self._poll_s * random.uniform(*_JITTER)
            if not self._closing.is_set() and self._own() and self._poll():
                self._ask_to_swap()

    def _poll(self) -> bool:
        """Polls; returns whether another model is in place, to be tried."""
        reply = self._ask()
        try:
            return not self._closing.is_set() and self._take(reply)
        except OSError as error:
            self._note_disk(error)
            return False

    def _ask(self) -> Reply:
        current = self._models.current
        question = Question(
            url=self._channel.url,
            folder=str(self._channel.folder),
            device=read_device_id(),
            version=self._version,
            refused=self._models.refusals(),
            current="" if current is None else current.digest,
            parent=os.getpid(),
        )
        return ask(question)

    def _take(self, reply: Reply) -> bool:
        self._models.flush()
        found = Installed(reply.number, reply.digest)
        latest = str(reply.newest) if reply.newest else self._status.channel_latest
        trying = f"release {found.number} is being tried"
        is_answer = reply.state in (CURRENT, WAITING, REFUSED)
        if (pending := self._models.pending) is not None and is_answer:
            if pending.digest == reply.digest:
                self._note(TRYING, trying, latest)
                return False
            self._models.give_up_trial()  # It was withdrawn.
        current = self._models.current
        if reply.digest in self._models.refusals():
            return False  # Its trial has ended during the poll.
        if reply.digest and (current is None or current.digest != reply.digest):
            if not self._models.install(found):
                return False  # The next poll downloads it again.
            self._note(TRYING, trying, latest)
            return True
        if reply.digest and found != current:
            self._models.renumber(found)
        self._note(reply.state, reply.reason, latest)
        return False

    def _own(self) -> bool:
        """Returns whether this process follows, and no other one of this device."""
        if self._models.is_owner:
            return True
        try:
            is_owner = self._models.own()
        except OSError as error:
            self._note_disk(error)
            return False
        unfinished, current = self._models.unfinished, self._models.current
        if not is_owner:
            self._note(SHARED, "another process of this device follows the channel")
        elif unfinished:
            why = f"the program ended during the trial of release {unfinished}"
            self._note(ROLLED_BACK, why)
        elif current is None:
            self._note(STARTING, "the first model is downloaded")
        else:
            self._note(STARTING, "the server was not asked since the start")
        return is_owner

    def _note_disk(self, error: OSError) -> None:
        why = error.strerror or error
        self._note(FAILED, f"its files cannot be kept ({why})")

    def _note(self, state: str, reason: str, latest: str | None = None) -> None:
        """Changes the status, and logs it if it is another one."""
        former, current = self._status, self._models.current
        version = str(current.number or "") if current else ""
        if latest is None:
            latest = former.channel_latest
        # Bounded and printable: it may quote what a server has sent.
        reason = printable(reason)[:_MOST_CHARACTERS]
        self._status = ChannelStatus(version, latest, state, reason)
        if self._status == former:
            return
        is_usual = state in (STARTING, CURRENT, TRYING, WAITING)
        write = log.info if is_usual else log.warning
        why = f" ({reason})" if reason else ""
        in_use = f"release {version or 'of unknown number'} runs"
        in_use = in_use if current else "no release runs"
        write("%s: %s; %s%s.", self._channel.name, in_use, state.replace("_", " "), why)
