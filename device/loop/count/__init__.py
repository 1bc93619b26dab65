"""Counts boxes: those in a zone, and those that cross a line."""
