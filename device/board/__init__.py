"""The board's sensors: temperature, clock, power."""
