"""Imports OpenCV, configured for unattended use; no other module imports it.

OpenCV reads these variables when it is imported (FFmpeg's, at the first video).
Values already set in the environment are kept.
"""

import os

# OpenCV's own limit is 2**30 pixels. For images, `decoding_limits` has lower limits;
# this one holds for what else OpenCV opens, as a folder of images opened as a video.
os.environ.setdefault("OPENCV_IO_MAX_IMAGE_PIXELS", str(2**27))
# An unreadable file raises a RequestError; OpenCV's log lines would repeat it.
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")

import cv2  # noqa: E402

__all__ = ["cv2"]
