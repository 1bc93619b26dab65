"""Weights that were trained elsewhere: read, carried over, and given back."""
