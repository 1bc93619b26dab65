"""Predicts what the Edge TPU compiler would do with a file."""
