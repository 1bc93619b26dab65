"""Labelled images: reading, splitting, caching, augmenting."""
