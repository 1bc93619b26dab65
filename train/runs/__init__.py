"""Run folders: stages, their records and the commands that make them."""
