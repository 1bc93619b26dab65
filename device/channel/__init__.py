"""Follows a channel: a folder on any web server, from which devices take models."""
