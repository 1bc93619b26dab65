"""Measures networks that find boxes, as its parent measures classifiers."""
