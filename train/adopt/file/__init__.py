"""Reads Keras files of any version without executing code of them."""
