"""Derives the name of the CPU fallback of a file compiled for the Edge TPU."""

from pathlib import Path

# The suffix that the Edge TPU compiler appends to a file's name.
_COMPILED = "_edgetpu"


def name_cpu_fallback(path: str) -> str:
    """Returns the CPU fallback of NAME_edgetpu.tflite; `path` for another name."""
    compiled = Path(path)
    if not compiled.name:  # As "" and "/" have none.
        return path
    name = compiled.stem.removesuffix(_COMPILED) + compiled.suffix
    return str(compiled.with_name(name))
