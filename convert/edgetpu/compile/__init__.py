"""Runs the Edge TPU compiler and reads its results."""
