"""Compiles files for Arm's Ethos-U NPUs, with Arm's compiler Vela."""
