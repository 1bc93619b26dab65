"""Writes files in one step, and reads JSON that somebody else may have written."""
