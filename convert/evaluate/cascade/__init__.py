"""Fits when the second of two models is asked."""
