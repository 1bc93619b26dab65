"""Finds what will not work on this machine, and suggests how to fix it."""
