"""The exception whose message is shown to the user."""


class RequestError(Exception):
    """An error that the user can fix.

    Examples are a missing folder, an invalid value, a file in another format. The
    message is one sentence: what failed, why, and what to do. Programs print it and
    exit with status 2.
    """
