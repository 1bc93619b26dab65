"""The command `corallite` and the device's programs."""
