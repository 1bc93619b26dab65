"""One HTML file that says how a run went, for people to read and keep."""
