"""What the routes of `serve` call: classification, state, metrics, systemd."""
