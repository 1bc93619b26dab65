"""Serves a model over HTTP: predictions for images, a live page, metrics.

It needs the packages of the extra `serve`. Only `serve_main` imports it, after checking
that they are installed.
"""
