"""One module for each family of networks; `registry` lists their entries."""
