"""Walks, loads and wraps Keras models."""
