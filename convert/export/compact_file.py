"""Compacts a `.tflite` file of any tool, without a run."""

from pathlib import Path

from corallite.convert.tflite.compact import compact
from corallite.convert.tflite.reader import read_model
from corallite.device.system import files
from corallite.device.system.errors import RequestError


def compact_file(path: Path, out: Path, *, overwrite: bool = False) -> tuple[int, int]:
    """Writes the compacted form of a file; returns the bytes before and after.

    Args:
        path: A `.tflite` file, of any tool.
        out: The file to write.
        overwrite: Replace `out` if it exists; it may be `path`.

    Raises:
        RequestError: `path` is not a `.tflite` file, is damaged, or cannot be written
            again without loss; or `out` exists.
        OSError: `out` cannot be written.
    """
    content = bytes(read_model(path).content)
    if out.exists() and not overwrite:
        raise RequestError(
            f"{out}: exists already. Choose another name with --out, or replace it "
            "with --overwrite."
        )
    try:
        compacted = compact(content)
    except ValueError as error:
        reason = str(error).replace("`content`", "the file")
        raise RequestError(f"{path}: cannot be compacted. {reason}") from error
    files.write_bytes(out, compacted)
    return len(content), len(compacted)
