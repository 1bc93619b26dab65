"""Copies and loads Keras models, and defines our own layers."""
