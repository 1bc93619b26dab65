"""Compares model files side by side."""
