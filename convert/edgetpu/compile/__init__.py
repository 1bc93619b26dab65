"""Runs the Edge TPU compiler and reads what it did."""
