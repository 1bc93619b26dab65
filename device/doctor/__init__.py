"""What on this machine will not work, and the remedy."""
