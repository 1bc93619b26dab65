"""The programs of `optimize`: flags in, one library call each."""
