"""The exception whose message is shown to the user."""

from collections.abc import Collection


class RequestError(Exception):
    """An error that the user can fix.

    Examples are a missing folder, an invalid value, a file in another format. The
    message is one sentence: what failed, why, and what to do. Programs print it and
    exit with status 2.
    """


class ModelFaultError(RequestError):
    """The content of a model file is at fault, so it fails wherever it is tried."""


class ModelCrashError(RequestError):
    """The runtime crashed with a model, perhaps because of the model."""


def require_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raises `RequestError` if the argument `name` is not one of `choices`."""
    if value not in choices:
        known = ", ".join(choices)
        raise RequestError(f"Expected `{name}` to be one of {known}, got {value!r}.")
