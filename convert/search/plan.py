"""What a search is asked for."""

import dataclasses
from pathlib import Path
from typing import Any

from corallite.device.image.preprocess import Preprocessing
from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.optimize.slim.budget import Budget
from corallite.train.runs.recipe import QUANTIZE, TRAIN, Recipe
from corallite.train.runs.run import Run

_PLAN_FILE = "search.json"


@dataclasses.dataclass(frozen=True)
class Plan:
    """What a search is asked for.

    Attributes:
        data_dir: Class folders, or a CSV.
        run_dir: Receives all files of the search.
        budget: The limits, at least one.
        families: Names of `candidates.FAMILIES`.
        sides: Sides of images in pixels, one or several.
        trials: Number of networks to train briefly, by all processes together.
        hours: None is begun after so many hours; None for no limit.
        trial_epochs: Epochs of a brief training.
        storage: What Optuna stores the trials in: a URL or a file; None for a file in
            `run_dir`.
        train: The recipe of the best networks; of the trials too, but for the epochs.
        quantize: The recipe of their quantization-aware training.
        fit_policy: How an image is fitted to a network's input.
        group_by: See `prepare_data`.
    """

    data_dir: Path
    run_dir: Path
    budget: Budget
    families: tuple[str, ...]
    sides: tuple[int, ...]
    trials: int = 100
    hours: float | None = None
    trial_epochs: int = 9
    storage: str | None = None
    train: Recipe = TRAIN
    quantize: Recipe = QUANTIZE
    fit_policy: str = "crop"
    group_by: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Returns what makes it another search if it changes."""
        return {
            **self.budget.to_json(),
            "families": list(self.families),
            "image_size": list(self.sides),
            "trial_epochs": self.trial_epochs,
            "train": dataclasses.asdict(self.train),
            "quantize": dataclasses.asdict(self.quantize),
            "fit": self.fit_policy,
            "group_by": self.group_by,
        }

    def images(self, side: int) -> Run:
        """Returns the run that has the images of a size, and no stages."""
        return Run.open(self.run_dir / "images" / str(side))

    def preprocessing(self, side: int) -> Preprocessing:
        """Returns how images of a size are made."""
        return Preprocessing((side, side), self.fit_policy)

    def require_limit(self) -> None:
        """Raises `RequestError` if there is no limit."""
        if not any(self.budget.limits.values()):
            raise RequestError(
                "A search needs a limit; give --max_latency_ms, --max_bytes or "
                "--max_macs."
            )

    def require_same(self) -> None:
        """Raises `RequestError` if the folder has a search with other settings."""
        if not self._record.exists():
            return
        settings, former = self.to_json(), files.read_record(self._record, dict)
        changed = [x for x in settings if former.get(x) != settings[x]]
        if changed:
            name = changed[0]
            raise RequestError(
                f"{self.run_dir} has a search with other settings ({name} "
                f"{former.get(name)}, now {settings[name]}); give another --run_dir."
            )

    def record(self) -> None:
        """Writes the settings, which the folder has from now on."""
        files.write_json(self._record, self.to_json())

    @property
    def _record(self) -> Path:
        return self.run_dir / _PLAN_FILE
