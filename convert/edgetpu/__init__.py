"""Predicts the result of the Edge TPU compiler, and runs the compiler."""
