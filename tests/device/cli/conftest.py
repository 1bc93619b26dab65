"""A model that serves, in this process or in its own."""

from fixtures.serving import make_client, model, serve

__all__ = ["make_client", "model", "serve"]
