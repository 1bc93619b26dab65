"""Lists the devices that publish their state to a broker."""
