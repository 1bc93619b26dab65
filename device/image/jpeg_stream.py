"""Cuts a stream of bytes into the JPEG images in it."""

from corallite.device.image.jpeg_markers import (
    END_OF_IMAGE,
    START_OF_IMAGE,
    find_marker,
    skip_segment,
)

_START = b"\xff\xd8\xff"
# Of a marker and the length of its segment.
_HEAD_BYTES = 4


class JpegSplitter:
    """Finds the images in concatenated JPEG or in an HTTP stream of them.

    What lies between two images, such as the lines of a multipart stream, is passed
    over. An image is followed segment by segment (ITU-T T.81, annex B), so that a
    thumbnail inside does not end it; one that breaks off is given up at the start of
    the next.

    Attributes:
        broken: How many images broke off so far, or were too large.
    """

    def __init__(self, max_bytes: int = 2**25) -> None:
        """Starts with no bytes; an image of more than `max_bytes` is passed over."""
        self.broken = 0
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        # Where to go on in `_buffer`; 0 as long as no image has started.
        self._position = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Takes the next bytes of the stream; returns the images they complete."""
        self._buffer += data
        images = []
        while (image := self._next_image()) is not None:
            images.append(image)
        if len(self._buffer) > self._max_bytes:
            self._break_off(len(_START))
        return images

    @property
    def is_inside_image(self) -> bool:
        """Tells whether an image has started and not ended."""
        return self._position > 0

    def _next_image(self) -> bytes | None:
        if not self._position and not self._find_start():
            return None
        end = self._find_end()
        if end is None:
            return None
        image = bytes(self._buffer[:end])
        del self._buffer[:end]
        self._position = 0
        return image

    def _find_start(self) -> bool:
        """Drops what is before the next image, but for a start that is cut in two."""
        start = self._buffer.find(_START)
        if start < 0:
            del self._buffer[: max(0, len(self._buffer) - len(_START) + 1)]
            return False
        del self._buffer[:start]
        self._position = 2
        return True

    def _find_end(self) -> int | None:
        """Returns the length of the image; None if more bytes are needed."""
        while (marker_at := find_marker(self._buffer, self._position)) >= 0:
            marker = self._buffer[marker_at + 1]
            if marker == END_OF_IMAGE:
                return marker_at + 2
            if marker_at + _HEAD_BYTES > len(self._buffer):
                self._position = marker_at
                return None
            if marker == START_OF_IMAGE:
                self._break_off(marker_at)
                if not self._position:
                    return None
            else:
                self._position = skip_segment(self._buffer, marker_at)
        # The last byte may begin a marker, and a segment reach beyond what has come.
        self._position = max(self._position, len(self._buffer) - 1)
        return None

    def _break_off(self, start: int) -> None:
        """Gives the image up, and looks for another one from `start` on."""
        self.broken += 1
        del self._buffer[:start]
        self._position = 0
        self._find_start()
