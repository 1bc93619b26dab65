"""Reads the board's sensors and devices: temperature, clock, power, Edge TPUs."""
