"""Does something for the next frame while another thread is at the last one."""

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

_Item = TypeVar("_Item")
# One is decoded while another is classified: two stages that overlap need no more,
# and each frame of a 12-megapixel camera is 36 MB.
_COUNT = 1
_TICK_S = 0.1


@contextlib.contextmanager
def looking_ahead(
    frames: Iterator[_Item], on_wait: Callable[[], None], count: int = _COUNT
) -> Iterator[Iterator[_Item]]:
    """Lets a thread read `frames` ahead, until the block ends.

    Decoders and runtimes let go of Python's lock while they work, so that both work
    at once. Every frame comes, in its order; what `frames` raises is raised where the
    frame would have come.

    Args:
        frames: Read by one thread, never two at once. After the block it is not
            being read any more; until then it may be `count` frames further.
        on_wait: Called every tenth of a second while a frame is waited for.
        count: Frames to read ahead, at least 1.
    """
    # Imported where they are needed: one image or a camera starts without.
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, "reader ahead") as pool:
        try:
            yield _read_ahead(frames, on_wait, count, pool)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _read_ahead(
    frames: Iterator[_Item],
    on_wait: Callable[[], None],
    count: int,
    pool: "ThreadPoolExecutor",
) -> Iterator[_Item]:
    coming = [pool.submit(next, frames, None) for _ in range(count)]
    while (frame := _take(coming.pop(0), on_wait)) is not None:
        coming.append(pool.submit(next, frames, None))
        yield frame


def _take(coming: "Future[_Item | None]", on_wait: Callable[[], None]) -> _Item | None:
    if not coming.done():
        from concurrent.futures import wait

        while not wait([coming], _TICK_S).done:
            on_wait()
    return coming.result()
