"""Decodes images and fits them to a model's input."""
