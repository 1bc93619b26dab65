"""Compares each step's accuracy with its origin, and decides whether it may pass."""
