"""The one place that imports OpenCV, set up for unattended work.

OpenCV reads these variables once, when it is loaded (FFmpeg's, at the first video).
What the environment says already, stays.
"""

import os

# OpenCV's own limit is 2**30 pixels: 3 GB, at which a board is killed before OpenCV
# refuses. 2**27 pixels are 400 MB.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))
# A file that cannot be read becomes one RequestError, and not log lines besides.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2  # noqa: E402

__all__ = ["cv2"]
