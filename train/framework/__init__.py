"""Keras 2 and TensorFlow, set up before they are first imported."""
