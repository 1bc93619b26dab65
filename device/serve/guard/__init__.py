"""Who may ask `serve`, and how much at a time."""
