"""Reads the board's sensors: temperature, clock, power."""
