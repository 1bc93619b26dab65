"""Derives the names of a model file and of what is compiled of it for the Edge TPU."""

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


def name_compiled(path: Path) -> Path:
    """Returns where the file is that is compiled from this one for the Edge TPU."""
    return path.with_name(f"{path.stem}{_COMPILED}{path.suffix}")
