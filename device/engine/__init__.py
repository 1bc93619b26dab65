"""Runs a model: preprocessing, inference, answer."""
