"""The programs of `convert`: flags in, one library call each."""
