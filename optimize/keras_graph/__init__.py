"""Copies and loads Keras models; the layers of ours that they may have."""
