"""Names the CPU fallback of a file that is compiled for the Edge TPU."""

from pathlib import Path

# What the Edge TPU compiler adds to a file's name.
_COMPILED = "_edgetpu"


def name_cpu_fallback(path: str) -> str:
    """Returns the file for the CPU of a compiled one; `path` if it has no such name."""
    compiled = Path(path)
    if not compiled.name:  # As "" and "/" have none.
        return path
    name = compiled.stem.removesuffix(_COMPILED) + compiled.suffix
    return str(compiled.with_name(name))
