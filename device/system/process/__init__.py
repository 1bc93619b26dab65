"""Processes and threads that are limited, isolated or end with their parent."""
