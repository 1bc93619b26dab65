"""Which names a class may have: each is the name of a folder, and a label."""

import unicodedata

from corallite.device.model.refusal import UNKNOWN
from corallite.device.system.errors import RequestError

_MOST_CHARACTERS = 64
# Of a file's name, on Linux.
_MOST_BYTES = 255
# A folder of these is read as the splits of a data set, and `UNKNOWN` is no class.
_RESERVED = ("train", "val", "test", UNKNOWN)


def check_class_name(text: str) -> str:
    """Returns the name of a class in Unicode's normal form C, without blanks around it.

    Raises:
        RequestError: No folder or label can have that name.
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
        raise RequestError(
            f"The name {name} has a meaning of its own; give the class another."
        )
    return name
