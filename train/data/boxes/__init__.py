"""Reads boxes of objects in images, and moves them as the images are changed."""
