"""Does something for the next frame while another thread is at the last one."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

_Item = TypeVar("_Item")
# One would do if a thread woke at once: with two, the next is begun while whoever waits
# for the last is still being woken. No more, as each frame of a 12-megapixel camera is
# 36 MB.
_COUNT = 2
_TICK_S = 0.1


@contextlib.contextmanager
def looking_ahead(
    frames: Iterator[_Item],
    on_wait: Callable[[], None],
    prepare: Callable[[_Item], _Item] | None = None,
    count: int = _COUNT,
) -> Iterator[Iterator[_Item]]:
    """Lets a thread read `frames` ahead, until the block ends.

    Decoders and runtimes let go of Python's lock while they work, so that both work
    at once. Every frame comes, in its order; what `frames` raises is raised where the
    frame would have come.

    Args:
        frames: Read by one thread, never two at once. After the block it is not
            being read any more; until then it may be `count` frames further.
        on_wait: Called every tenth of a second while a frame is waited for.
        prepare: Called by the thread with a frame if there is time, which is when one
            before it waits to be taken; what it returns comes in place of the frame.
            So the two share the work whichever of them has more to do.
        count: Frames to read ahead, at least 1.
    """
    ahead = _Ahead(frames, prepare, count)
    thread = threading.Thread(target=ahead.read, name="reader ahead")
    thread.start()
    try:
        yield ahead.take(on_wait)
    finally:
        ahead.end()
        thread.join()


class _Ahead:
    """What the two threads share.

    Queues and no futures: on small images, what those cost is a tenth of the loop.
    """

    def __init__(
        self, frames: Iterator[Any], prepare: Callable[[Any], Any] | None, count: int
    ) -> None:
        self._frames = frames
        self._prepare = prepare
        self._is_ended = threading.Event()
        # An entry is room for one more.
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        # A frame, or None at the end; and what was raised instead.
        self._ready: queue.SimpleQueue[tuple[Any, BaseException | None]]
        self._ready = queue.SimpleQueue()
        for _ in range(count):
            self._room.put(None)

    def read(self) -> None:
        """Reads as long as there is room; for the one thread."""
        while True:
            self._room.get()
            if self._is_ended.is_set():
                return
            try:
                frame = self._read_one()
            except BaseException as error:  # Whatever it is: `take` raises it.
                self._ready.put((None, error))
                return
            self._ready.put((frame, None))
            if frame is None:
                return

    def _read_one(self) -> Any:
        frame = next(self._frames, None)
        if frame is None or self._prepare is None or self._ready.empty():
            return frame
        return self._prepare(frame)

    def take(self, on_wait: Callable[[], None]) -> Iterator[Any]:
        """Yields what was read; for the other thread."""
        while (frame := self._next(on_wait)) is not None:
            self._room.put(None)
            yield frame

    def end(self) -> None:
        """Has `read` return after the frame that it is at, and `take` end."""
        self._is_ended.set()
        self._room.put(None)
        # Whoever takes may wait in a thread of its own, and outlive this one.
        self._ready.put((None, None))

    def _next(self, on_wait: Callable[[], None]) -> Any:
        while True:
            try:
                frame, error = self._ready.get(timeout=_TICK_S)
            except queue.Empty:
                on_wait()
                continue
            if error is not None:
                raise error
            return frame
