"""Which names a class may have: each is the name of a folder, and a label."""

import unicodedata

from corallite.device.model.refusal import UNKNOWN
from corallite.device.system.errors import RequestError

_MOST_CHARACTERS = 64
# The limit of a file name on Linux.
_MOST_BYTES = 255
# Folders of these names are read as splits, and `UNKNOWN` is a label of its own.
_RESERVED = ("train", "val", "test", UNKNOWN)


def check_class_name(text: str) -> str:
    """Returns a class name in Unicode's normal form C, without surrounding blanks.

    Raises:
        RequestError: The name is not allowed.
    """
    name = unicodedata.normalize("NFC", text).strip()
    if not name or not name.isprintable():
        raise RequestError("A class needs a name of printable characters; give one.")
    if len(name) > _MOST_CHARACTERS or len(name.encode()) > _MOST_BYTES:
        raise RequestError(
            f"The name has more than {_MOST_CHARACTERS} characters or {_MOST_BYTES} "
            "bytes; give a shorter one."
        )
    if name.startswith(".") or "/" in name or "\\" in name:
        raise RequestError(
            "The name of a class cannot begin with a dot or contain a slash; give "
            "another."
        )
    if name.lower() in _RESERVED:
        raise RequestError(f"The name {name} is reserved; give the class another one.")
    return name
