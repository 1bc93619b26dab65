"""Decoded images: arrays on disk that runs share, or decoded when they are read."""
