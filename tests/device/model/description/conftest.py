"""The writer of small models."""

from fixtures.model_writer import writer

__all__ = ["writer"]
