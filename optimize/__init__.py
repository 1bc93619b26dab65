"""Pruning and quantization-aware training: a Keras model in, a new one out."""
