"""Makes the files of a release: the wheel, checksums, and what has changed.

    python deploy/release/make_release.py --out_dir=dist

The version is that of setup.cfg. CHANGELOG.md has to have a section of that name, which
becomes notes.md. It publishes nothing: upload the files with your account.
"""

import configparser
import hashlib
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from corallite.device.cli import program
from corallite.device.system import files
from corallite.device.system.errors import RequestError

_OUT_DIR = flags.DEFINE_string("out_dir", "dist", "Folder of the files.")
_TAG = flags.DEFINE_string("tag", None, "The tag of the release, such as v0.2.0.")

ROOT = Path(__file__).parents[2]
_CHANGELOG = "CHANGELOG.md"
_HEADING = "## "


def main(argv: Sequence[str]) -> int:
    """Builds the wheel and writes SHA256SUMS and notes.md beside it."""
    program.reject_arguments(argv)
    version, out_dir = read_version(ROOT / "setup.cfg"), Path(_OUT_DIR.value)
    require_tag(_TAG.value, version)
    notes = find_notes((ROOT / _CHANGELOG).read_text(), version)
    wheel = _build_wheel(out_dir, version)
    files.write_text(out_dir / "SHA256SUMS", format_checksums([wheel]))
    files.write_text(out_dir / "notes.md", notes)
    print(f"{wheel}: {wheel.stat().st_size:,} bytes; checksums and notes beside it")
    return program.EXIT_DONE


def read_version(path: Path) -> str:
    """Returns the version in setup.cfg."""
    setup = configparser.ConfigParser()
    setup.read(path, encoding="utf-8")
    return setup["metadata"]["version"]


def require_tag(tag: str | None, version: str) -> None:
    """Raises `RequestError` for a tag of another version."""
    if tag not in (None, f"v{version}"):
        raise RequestError(
            f"--tag={tag} is not that of version {version} in setup.cfg; change one of "
            "them."
        )


def find_notes(changelog: str, version: str) -> str:
    """Returns the text below the heading of a version, up to the next.

    Raises:
        RequestError: There is no such heading, or nothing below it.
    """
    lines = changelog.splitlines()
    # A date may follow.
    starts = [n for n, x in enumerate(lines) if x.split()[:2] == ["##", version]]
    if not starts:
        raise RequestError(
            f"{_CHANGELOG} has no section {_HEADING}{version}; rename its section "
            "Unreleased."
        )
    below = lines[starts[0] + 1 :]
    ends = [n for n, x in enumerate(below) if x.startswith(_HEADING)]
    notes = "\n".join(below[: ends[0] if ends else None]).strip()
    if not notes:
        raise RequestError(f"{_CHANGELOG}: the section {version} is empty; fill it.")
    return f"{notes}\n"


def format_checksums(paths: Sequence[Path]) -> str:
    """Returns lines as `sha256sum --check` reads them."""
    lines = (f"{hashlib.sha256(x.read_bytes()).hexdigest()}  {x.name}" for x in paths)
    return "\n".join(lines) + "\n"


def _build_wheel(out_dir: Path, version: str) -> Path:
    out_dir.mkdir(parents=True, exist_ok=True)
    options = ["--no-deps", "--no-build-isolation", f"--wheel-dir={out_dir}", "--quiet"]
    command = [sys.executable, "-m", "pip", "wheel", *options, str(ROOT)]
    if subprocess.run(command, check=False).returncode:
        raise RequestError(f"pip cannot build {ROOT}; see above.")
    return out_dir / f"corallite-{version}-py3-none-any.whl"


if __name__ == "__main__":
    program.run(main)
