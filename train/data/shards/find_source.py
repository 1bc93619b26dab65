"""Finds the images of a run again, where they were when it was made."""

from pathlib import Path

from corallite.device.system.errors import RequestError
from corallite.train.data.decoded.reader import Source, folder_reader
from corallite.train.data.decoded.settings import Settings
from corallite.train.data.listing.label_file import is_label_file
from corallite.train.data.shards.packed import open_packed


def find_source(settings: Settings) -> Source:
    """Returns what reads the images of a run.

    Raises:
        RequestError: They are not where they were, or not all.
    """
    place = Path(settings.data_dir)
    if not place.exists():
        raise RequestError(
            f"{place}: the images of the run are no longer there, nor in the cache; "
            "move them back, or repeat the corallite train command of the run with "
            "their new --data_dir."
        )
    if settings.is_packed:
        packed = open_packed(place)
        return Source(packed.read, packed.known)
    return Source(folder_reader(place.parent if is_label_file(place) else place))
