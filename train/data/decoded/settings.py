"""How the images of a run are read: where they are, and how large they become."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corallite.device.image.preprocess import Preprocessing
from corallite.device.system import files

FOLDER = "cache"
_FILE = "preprocessing.json"


@dataclass(frozen=True)
class Settings:
    """What every step of a run reads its images with.

    Attributes:
        preprocessing: How they are resized.
        data_dir: Where they were last; "" in runs of earlier versions.
        is_packed: Whether that is a folder of shards.
        cache_gb: See `make_room`.
    """

    preprocessing: Preprocessing
    data_dir: str = ""
    is_packed: bool = False
    cache_gb: float | None = None

    def write(self, run_dir: Path) -> None:
        """Records the settings in a run, unless they are the same."""
        path = run_dir / FOLDER / _FILE
        if not path.exists() or read_settings(run_dir) != self:
            content = {**vars(self), **self.preprocessing.to_json()}
            del content["preprocessing"]
            files.write_json(path, content)


def read_settings(run_dir: Path) -> Settings | None:
    """Returns the settings of a run; None if its images were never decoded.

    Raises:
        RequestError: The record is damaged.
    """
    path = run_dir / FOLDER / _FILE
    return files.read_record(path, _parse) if path.exists() else None


def _parse(content: dict[str, Any]) -> Settings:
    cache_gb = content.get("cache_gb")
    return Settings(
        preprocessing=Preprocessing.from_json(content),
        data_dir=str(content.get("data_dir", "")),
        is_packed=bool(content.get("is_packed", False)),
        cache_gb=None if cache_gb is None else float(cache_gb),
    )
