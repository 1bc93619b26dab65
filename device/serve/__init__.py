"""A model over HTTP: answers for images, a live page, metrics.

Needs the packages of the extra `serve`. Nothing outside of it imports it, but for
`serve_main` once it has found them.
"""
