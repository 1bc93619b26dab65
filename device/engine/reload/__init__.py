"""Replaces a running model with a new file."""
