"""Waits between retries that double with each failure."""


def backoff_s(failures: int, first_s: float, longest_s: float) -> float:
    """Returns the wait in seconds after so many failures; 0 without any."""
    if not failures:
        return 0.0
    return min(first_s * 2 ** min(failures - 1, 16), longest_s)
