"""Searches for the most accurate network within limits of its cost."""
