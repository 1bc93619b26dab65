"""Labelled images packed into a few large files (TFRecord), and read from them."""
