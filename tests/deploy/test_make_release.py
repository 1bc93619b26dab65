"""What a release is made of: its notes, its checksums, its version."""

import hashlib
import subprocess
from pathlib import Path

import pytest

from corallite.device.system.errors import RequestError

FOLDER = Path(__file__).parents[2] / "deploy" / "release"
CHANGELOG = """# Changelog

Changes for users.

## 0.2.0 (2026-12-24)

### New

- A thing.

## 0.1.0

- The first.
"""


@pytest.fixture
def release(monkeypatch):
    import importlib.util

    place = importlib.util.spec_from_file_location(
        "make_release", FOLDER / "make_release.py"
    )
    assert place and place.loader
    module = importlib.util.module_from_spec(place)
    place.loader.exec_module(module)
    yield module
    from absl import flags

    for name in ("out_dir", "tag"):
        delattr(flags.FLAGS, name)


def test_notes_are_the_section_of_the_version(release):
    assert release.find_notes(CHANGELOG, "0.2.0") == "### New\n\n- A thing.\n"
    assert release.find_notes(CHANGELOG, "0.1.0") == "- The first.\n"
    with pytest.raises(RequestError, match="no section ## 0.3.0; rename its section"):
        release.find_notes(CHANGELOG, "0.3.0")
    with pytest.raises(RequestError, match="section 0.1.0 is empty"):
        release.find_notes("## 0.1.0\n\n## 0.0.9\n- x\n", "0.1.0")


def test_the_tag_is_that_of_the_version(release):
    version = release.read_version(release.ROOT / "setup.cfg")
    release.require_tag(None, version)
    release.require_tag(f"v{version}", version)
    with pytest.raises(RequestError, match="--tag=v9.9.9 is not that of version"):
        release.require_tag("v9.9.9", version)


def test_sha256sum_accepts_the_checksums(release, tmp_path):
    wheel = tmp_path / "corallite-0.2.0-py3-none-any.whl"
    wheel.write_bytes(b"wheel")
    text = release.format_checksums([wheel])
    assert text.startswith(hashlib.sha256(b"wheel").hexdigest())
    (tmp_path / "SHA256SUMS").write_text(text)
    subprocess.run(["sha256sum", "--check", "SHA256SUMS"], cwd=tmp_path, check=True)
