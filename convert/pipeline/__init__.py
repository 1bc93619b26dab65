"""Runs all stages in order, and the demo."""
