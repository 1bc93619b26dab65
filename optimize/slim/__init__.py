"""Channel pruning: removes whole channels, so that the network becomes smaller."""
