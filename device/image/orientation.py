"""Turns the frames of a camera that hangs upside down or looks into a mirror."""

from typing import NamedTuple

from corallite.device.image.opencv import cv2
from corallite.device.image.preprocess import Image

_ROTATIONS = {
    90: cv2.ROTATE_90_CLOCKWISE,
    180: cv2.ROTATE_180,
    270: cv2.ROTATE_90_COUNTERCLOCKWISE,
}
DEGREES = (0, *_ROTATIONS)
_LEFT_TO_RIGHT = 1


class Orientation(NamedTuple):
    """How to turn each frame: it is rotated first, then mirrored.

    Attributes:
        rotate: Degrees clockwise: 0, 90, 180 or 270.
        mirror: Whether to swap left and right after that.
    """

    rotate: int = 0
    mirror: bool = False

    def apply(self, image: Image) -> Image:
        """Returns an image [height, width, 3] turned; itself if nothing is to do."""
        if self.rotate:
            image = cv2.rotate(image, _ROTATIONS[self.rotate])
        return cv2.flip(image, _LEFT_TO_RIGHT) if self.mirror else image


UNTURNED = Orientation()
