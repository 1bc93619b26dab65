"""Splits a stream of bytes into JPEG images."""

from corallite.device.image import jpeg_markers

_START = b"\xff\xd8\xff"
# A marker and the length of its segment.
_HEAD_BYTES = 4


class JpegSplitter:
    """Finds the images in concatenated JPEG files or in a multipart stream.

    It skips the bytes between two images, such as the headers of a multipart stream.
    It reads an image segment by segment (ITU-T T.81, annex B), so that an embedded
    thumbnail does not end the image. An incomplete image is dropped at the start of
    the next.

    Attributes:
        broken: Images so far that were incomplete or too large.
    """

    def __init__(self, max_bytes: int = 2**25) -> None:
        """Starts with no bytes; images larger than `max_bytes` are dropped."""
        self.broken = 0
        self._max_bytes = max_bytes
        self._buffer = bytearray()
        # Where to continue in `_buffer`; 0 while no image has started.
        self._position = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Takes the next bytes of the stream; returns the images that they complete."""
        self._buffer += data
        images = []
        while (image := self._next_image()) is not None:
            images.append(image)
        if len(self._buffer) > self._max_bytes:
            self._drop_image(len(_START))
        return images

    @property
    def is_inside_image(self) -> bool:
        """Whether an image has started and not ended."""
        return self._position > 0

    def _next_image(self) -> bytes | None:
        if not self._position and not self._find_start():
            return None
        end = self._find_end()
        if end is None:
            return None
        with memoryview(self._buffer) as buffer:  # A slice alone would copy twice.
            image = bytes(buffer[:end])
        del self._buffer[:end]
        self._position = 0
        return image

    def _find_start(self) -> bool:
        """Drops the bytes before the next image; keeps an incomplete start marker."""
        start = self._buffer.find(_START)
        if start < 0:
            del self._buffer[: max(0, len(self._buffer) - len(_START) + 1)]
            return False
        del self._buffer[:start]
        self._position = 2
        return True

    def _find_end(self) -> int | None:
        """Returns the length of the image; None if more bytes are needed."""
        while (
            marker_at := jpeg_markers.find_marker(self._buffer, self._position)
        ) >= 0:
            marker = self._buffer[marker_at + 1]
            if marker == jpeg_markers.END_OF_IMAGE:
                return marker_at + 2
            if marker_at + _HEAD_BYTES > len(self._buffer):
                self._position = marker_at
                return None
            if marker == jpeg_markers.START_OF_IMAGE:
                self._drop_image(marker_at)
                if not self._position:
                    return None
            else:
                self._position = jpeg_markers.skip_segment(self._buffer, marker_at)
        # The last byte may begin a marker; a segment may end in later bytes.
        self._position = max(self._position, len(self._buffer) - 1)
        return None

    def _drop_image(self, start: int) -> None:
        """Drops the current image, and searches for another one from `start` on."""
        self.broken += 1
        del self._buffer[:start]
        self._position = 0
        self._find_start()
