"""Predicts the result of the Edge TPU compiler for a model."""
