"""Chooses calibration images and measures ranges with them."""
