"""Checks that two models can be used as one."""

from corallite.device.model.manifest import Manifest
from corallite.device.system.errors import RequestError


def name_model(manifest: Manifest) -> str:
    """Returns the name and the version of a model, such as "resnet8 1.0x first"."""
    return f"{manifest.model} {manifest.version}".strip()


def require_cascade(first: Manifest, second: Manifest, second_hash: str) -> None:
    """Refuses two models of which the second cannot replace the first's predictions.

    Args:
        first: The manifest of the first model.
        second: That of the second.
        second_hash: The hash of the second model's files, see `hash_model`.

    Raises:
        RequestError: They have different labels, sizes or crops, several labels for an
            image, or no threshold was fitted for them.
    """
    require_same_task(first, second)
    fitted, name = first.cascade, name_model(second)
    if fitted is None:
        raise RequestError(
            f"{name_model(first)} has no threshold at which a second model is asked; "
            "fit one with: corallite evaluate --cascade=FIRST,SECOND --run_dir=RUN."
        )
    if fitted.second != name:
        raise RequestError(
            f"{name_model(first)} has a threshold for {fitted.second} as the second "
            f"model, not for {name}; fit one with: corallite evaluate "
            "--cascade=FIRST,SECOND --run_dir=RUN."
        )
    if fitted.second_hash != second_hash:
        raise RequestError(
            f"{name_model(first)} has a threshold for another file of {name} as the "
            "second model; give that, or fit one for this file with: corallite "
            "evaluate --cascade=FIRST,SECOND --run_dir=RUN."
        )


def require_same_task(first: Manifest, second: Manifest) -> None:
    """Refuses two models whose predictions cannot be exchanged.

    Raises:
        RequestError: They have different labels, sizes or crops, several labels for an
            image, or boxes.
    """
    if first.boxes is not None or second.boxes is not None:
        raise RequestError(
            "A cascade needs two classifiers, but one of its models is a detector; "
            "give two models of one label."
        )
    if first.classes.is_multilabel or second.classes.is_multilabel:
        raise RequestError(
            "A cascade needs one label for an image, but one of its models is "
            "multi-label; give two models of one label."
        )
    if first.labels != second.labels:
        raise RequestError(
            f"{name_model(first)} has the labels {_list(first.labels)}, but "
            f"{name_model(second)} has {_list(second.labels)}; give two models with "
            "the same labels in the same order."
        )
    if first.preprocessing != second.preprocessing:
        raise RequestError(
            f"{name_model(first)} expects {first.preprocessing}, but "
            f"{name_model(second)} expects {second.preprocessing}; give two models "
            "with the same input."
        )


def _list(labels: tuple[str, ...]) -> str:
    return f"{', '.join(labels[:10])}{' ...' if len(labels) > 10 else ''}"
