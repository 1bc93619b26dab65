"""Runs the Edge TPU in its own process, with failover to the CPU."""
