"""The server, in the test process or in its own."""

from fixtures.capturing import album, camera, capture
from fixtures.serving import make_client, model, serve

__all__ = ["album", "camera", "capture", "make_client", "model", "serve"]
