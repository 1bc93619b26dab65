"""Estimates operators and files on Arm Ethos-U NPUs, with Arm's compiler Vela."""
