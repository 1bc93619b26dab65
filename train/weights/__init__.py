"""Weights that were trained elsewhere: import and export."""
