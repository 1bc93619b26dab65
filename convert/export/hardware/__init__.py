"""Export targets for particular hardware, by the tool of its vendor."""
