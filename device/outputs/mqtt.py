"""Publishes the labels to an MQTT broker whenever they change."""

import sys
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from corallite.device.loop.classify_frames import Result
from corallite.device.loop.result_lines import to_json_line
from corallite.device.outputs.broker import (
    AT_LEAST_ONCE,
    KEEPALIVE_S,
    Address,
    make_client,
    why_lost,
    why_refused,
    why_unreachable,
)
from corallite.device.outputs.topics import OFFLINE, ONLINE, STATUS
from corallite.device.system import log
from corallite.device.system.log_throttle import Failures

# Messages kept while the broker is unreachable; the oldest are dropped.
_MAX_WAITING = 100
_TICK_S = 0.1
_WAIT_S = 1.0
# Time to send the waiting messages at the end, and again for the last status.
_CLOSE_TIMEOUT_S = 2.0


class Feed(Protocol):
    """Makes retained messages beside the results: the newest of each topic counts."""

    def put(self, result: Result) -> None:
        """Receives every result, in the loop's thread; returns at once."""

    def take(self) -> Mapping[str, str | bytes]:
        """Returns what is new by topic, in the publisher's thread, ten times a second.

        A broker that has lost its messages gets the last ones again.
        """

    def close(self) -> None:
        """Is called after the last result; what `take` returns then is sent."""


class Mqtt:
    """A sink that publishes results as retained JSON, in order, at least once.

    At most one message is unacknowledged, so that the broker always retains the
    newest. If the connection is lost, paho reconnects after 1 s at first and 30 s at
    most; meanwhile the newest 100 messages wait. A new connection begins with the last
    message of each topic, as the broker may have lost it.

    Attributes:
        lost: How many messages were dropped for newer ones, or at the end.
    """

    def __init__(
        self,
        address: Address,
        every_frame: bool = False,
        feeds: Sequence[Feed] = (),
    ) -> None:
        """Starts to connect in the background.

        Args:
            address: The broker and the topic.
            every_frame: Whether to publish every result; default, only when the
                active labels or the counts change, or without a threshold the
                result's label.
            feeds: Make the other messages.

        Raises:
            RequestError: paho-mqtt is not installed.
        """
        self.lost = 0
        self._address = address
        self._status_topic = f"{address.topic}/{STATUS}"
        self._every_frame = every_frame
        self._last: object = None
        self._feeds = feeds
        # By topic, for the publisher: all last messages, and those to be published
        # before the waiting results.
        self._retained: dict[str, str | bytes] = {}
        self._fresh: dict[str, str | bytes] = {}
        self._is_connected_again = threading.Event()
        self._is_connected = threading.Event()
        self._waiting: deque[str] = deque()
        self._changed = threading.Condition()
        self._closing = threading.Event()
        self._failures = Failures()
        self._is_refused = False
        self._client = self._make_client()
        self._client.connect_async(address.host, address.port, KEEPALIVE_S)
        self._client.loop_start()
        self._publisher = threading.Thread(
            target=self._publish, name="mqtt", daemon=True
        )
        self._publisher.start()

    @property
    def waiting(self) -> int:
        """How many results wait to be sent."""
        return len(self._waiting)

    def put(self, result: Result) -> None:
        """Queues `result` if its labels or counts have changed; never waits."""
        for feed in self._feeds:
            feed.put(result)
        labels = [result.label] if result.active is None else result.active
        now = labels, result.counts
        if now == self._last and not self._every_frame:
            return
        self._last = now
        with self._changed:
            if len(self._waiting) == _MAX_WAITING:
                self._waiting.popleft()
                self.lost += 1
            self._waiting.append(to_json_line(result))
            self._changed.notify()

    def close(self) -> None:
        """Publishes the waiting messages and "offline", within a few seconds."""
        for feed in self._feeds:
            feed.close()
        self._closing.set()
        with self._changed:
            self._changed.notify()
        self._publisher.join(_CLOSE_TIMEOUT_S)
        if self._client.is_connected():
            offline = self._client.publish(
                self._status_topic, OFFLINE, AT_LEAST_ONCE, retain=True
            )
            if not offline.rc:
                offline.wait_for_publish(_CLOSE_TIMEOUT_S)
        self._client.disconnect()
        # paho may be connecting, which takes up to 5 s.
        stopper = threading.Thread(target=self._client.loop_stop, daemon=True)
        stopper.start()
        stopper.join(_CLOSE_TIMEOUT_S)
        waiting = self.lost + self.waiting
        if waiting:
            log.warning("%d messages were not published.", waiting)

    def _make_client(self) -> Any:
        client = make_client(self._address)
        client.will_set(self._status_topic, OFFLINE, AT_LEAST_ONCE, True)
        client.on_connect = self._note_connection
        client.on_connect_fail = self._note_unreachable
        client.on_disconnect = self._note_loss
        return client

    # These three run in paho's own thread.

    def _note_connection(
        self, client: Any, data: Any, flags: Any, code: Any, more: Any
    ) -> None:
        if code.is_failure:
            self._is_refused = True
            self._failures.note(f"{self._address.name}: {why_refused(code)}")
            return
        log.info("%s: connected.", self._address.name)
        self._is_connected_again.set()
        self._is_connected.set()

    def _note_unreachable(self, client: Any, data: Any) -> None:
        # paho calls this while it handles the exception, and does not pass it on.
        self._failures.note(
            f"{self._address.name}: {why_unreachable(sys.exc_info()[1])}"
        )

    def _note_loss(
        self, client: Any, data: Any, flags: Any, code: Any, more: Any
    ) -> None:
        self._is_connected.clear()
        # A refusing broker closes the connection: that has been logged with its reason.
        is_refused, self._is_refused = self._is_refused, False
        if not self._closing.is_set() and not is_refused:
            self._failures.note(f"{self._address.name}: {why_lost(code)}")

    def _publish(self) -> None:
        """Publishes the messages, each after the broker has acknowledged the last."""
        while (next_message := self._next()) is not None:
            topic, payload = next_message
            message = self._client.publish(topic, payload, AT_LEAST_ONCE, retain=True)
            # Without a connection, paho keeps the message and sends it later.
            message.rc = 0
            while not message.is_published():
                if self._closing.is_set() and not self._client.is_connected():
                    with self._changed:
                        self.lost += 1
                    break
                message.wait_for_publish(_WAIT_S)

    def _next(self) -> tuple[str, str | bytes] | None:
        """Waits for a message and a connection; returns None at the end."""
        while True:
            # Read first: what a new connection or the end needs is then collected.
            is_connected = self._is_connected.is_set()
            is_closing = self._closing.is_set()
            self._collect()
            with self._changed:
                if is_connected and self._fresh:
                    topic = next(iter(self._fresh))
                    return topic, self._fresh.pop(topic)
                if is_connected and self._waiting:
                    newest = self._waiting.popleft()
                    self._retained[self._address.topic] = newest
                    return self._address.topic, newest
                if is_closing:
                    return None
                self._changed.wait(_TICK_S)

    def _collect(self) -> None:
        """Takes the new messages of the feeds; all after a connection was made."""
        is_new = self._is_connected_again.is_set()
        if is_new:
            self._is_connected_again.clear()
            self._fresh = dict(self._retained)
            if self._waiting:
                self._fresh.pop(self._address.topic, None)
        for feed in self._feeds:
            if new := feed.take():
                is_new = True
                self._retained.update(new)
                self._fresh.update(new)
        if is_new and not self._closing.is_set():
            # Not once only: the broker says "offline" when it notices the end of the
            # former connection, which may be after the begin of this one.
            self._fresh[self._status_topic] = ONLINE
