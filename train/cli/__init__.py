"""The program `train` and the flags that training programs share."""
