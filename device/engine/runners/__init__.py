"""Runs model files: one module for each kind of file, each with a `load`."""
