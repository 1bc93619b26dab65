"""Finds problems of a folder of photos and says what to do about each.

corallite inspect --data_dir=photos

Lists the photos of each class, and those that are unreadable, black, small, blurred,
near-duplicates of others, or in two classes. Nothing is changed. `corallite train`
logs the same when it reads the photos for the first time.
"""

import json
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.device.cli import program
from corallite.train.cli import data_flags
from corallite.train.data.inspect import examine

_DATA_DIR = data_flags.define_photo_dir()
_GROUP_BY = data_flags.define_group_by()
_IMAGE_SIZE = flags.DEFINE_integer(
    "image_size",
    224,
    "Height and width of the model's input, in pixels; smaller photos are listed.",
    lower_bound=1,
)
_JSON = flags.DEFINE_boolean(
    "json", False, "Print a JSON object that names all photos of each finding."
)


def main(argv: Sequence[str]) -> None:
    program.reject_arguments(argv)
    inspected = examine.inspect_photos(
        Path(_DATA_DIR.value), _IMAGE_SIZE.value, _GROUP_BY.value
    )
    if _JSON.value:
        print(json.dumps(examine.to_json(inspected), indent=2))
    else:
        print(examine.to_text(inspected))


if __name__ == "__main__":
    program.run(main)
