"""Images that clients upload to `serve`."""
