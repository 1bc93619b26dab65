"""Flags that several programs share, and files of flags."""
