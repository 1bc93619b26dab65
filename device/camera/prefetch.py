"""Reads the next items in a thread while the consumer works on the current one."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

_Item = TypeVar("_Item")
# With two, the thread starts the next item while the consumer is still being woken for
# the last. No more than two: each frame of a 12-megapixel camera takes 36 MB.
_COUNT = 2
_TICK_S = 0.1


@contextlib.contextmanager
def prefetching(
    items: Iterator[_Item],
    on_wait: Callable[[], None],
    prepare: Callable[[_Item], _Item] | None = None,
    count: int = _COUNT,
) -> Iterator[Iterator[_Item]]:
    """Reads `items` in a thread until the block ends; yields an iterator over them.

    Decoders and runtimes release Python's lock while they work, so both threads run
    at once. No item is lost and the order is kept. An exception of `items` is raised
    where its item would have been.

    Args:
        items: Read by the thread only, at most `count` items ahead, and not after the
            block.
        on_wait: Called every tenth of a second while the consumer waits for an item.
        prepare: The thread calls it with an item if the item before is not taken yet;
            its result replaces the item. This balances the work of the two threads.
        count: Items to read ahead, at least 1.
    """
    prefetcher = _Prefetcher(items, prepare, count)
    thread = threading.Thread(target=prefetcher.read, name="prefetch")
    thread.start()
    try:
        yield prefetcher.take(on_wait)
    finally:
        prefetcher.end()
        thread.join()


class _Prefetcher:
    """The state that both threads share.

    It uses queues, not futures: with small images, futures cost a tenth of the loop.
    """

    def __init__(
        self, items: Iterator[Any], prepare: Callable[[Any], Any] | None, count: int
    ) -> None:
        self._items = items
        self._prepare = prepare
        self._is_ended = threading.Event()
        # Each entry allows the thread to read one more item.
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        # An item, or None at the end; and the exception in place of the item.
        self._ready: queue.SimpleQueue[tuple[Any, BaseException | None]]
        self._ready = queue.SimpleQueue()
        for _ in range(count):
            self._room.put(None)

    def read(self) -> None:
        """Reads while there is room; the body of the thread."""
        while True:
            self._room.get()
            if self._is_ended.is_set():
                return
            try:
                item = self._read_one()
            except BaseException as error:  # `take` raises it, whatever it is.
                self._ready.put((None, error))
                return
            self._ready.put((item, None))
            if item is None:
                return

    def _read_one(self) -> Any:
        item = next(self._items, None)
        if item is None or self._prepare is None or self._ready.empty():
            return item
        return self._prepare(item)

    def take(self, on_wait: Callable[[], None]) -> Iterator[Any]:
        """Yields the items; called by the consumer."""
        while (item := self._next(on_wait)) is not None:
            self._room.put(None)
            yield item

    def end(self) -> None:
        """Ends `read` after its current item, and `take`."""
        self._is_ended.set()
        self._room.put(None)
        # The consumer may wait in a third thread, which must not hang.
        self._ready.put((None, None))

    def _next(self, on_wait: Callable[[], None]) -> Any:
        while True:
            try:
                item, error = self._ready.get(timeout=_TICK_S)
            except queue.Empty:
                on_wait()
                continue
            if error is not None:
                raise error
            return item
