"""The live camera of `serve`: its loop, its newest frame, the video stream."""
