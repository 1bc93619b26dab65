"""The packages of the extra `fleet`, which channels need."""

import importlib.util

from corallite.device.system.errors import RequestError

_PACKAGES = ("tuf", "cryptography")


def require_packages(user: str) -> None:
    """Raises `RequestError` if one of them is not installed.

    Args:
        user: What needs them, as the start of a sentence.
    """
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise RequestError(
            f"{user} needs {' and '.join(missing)}; install it with: pip install "
            "'.[fleet]'"
        )
