"""Where predictions go: lines, MQTT, commands, systemd."""
