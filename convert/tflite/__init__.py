"""Reads and rewrites `.tflite` files."""
