"""Runs models that tell where objects are."""
