"""Publishes models to devices: signed files for any web server."""
