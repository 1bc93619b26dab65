"""Runs a model: preprocessing, inference, prediction."""
