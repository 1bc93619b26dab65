"""The one exception that a user is meant to read."""


class RequestError(Exception):
    """A request that cannot be carried out.

    Raised for what the user can mend: a missing folder, a wrong value, a file of
    another kind. The message is one sentence that names the thing, says what is
    wrong with it and how to go on. Programs print it and exit with status 2.
    """
