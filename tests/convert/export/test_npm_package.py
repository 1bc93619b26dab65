"""Packages of npm, from a stand-in for npm instead of the network."""

import hashlib
import io
import tarfile

import pytest

from corallite.convert.export import npm_package
from corallite.convert.export.npm_package import Package, read_package
from corallite.device.system.errors import RequestError


def make_archive(content=b"code"):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        member = tarfile.TarInfo("package/index.js")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


ARCHIVE = make_archive()
TINY = Package("@tiny/tool", "1.0", hashlib.sha512(ARCHIVE).hexdigest())
CONTENT = {"package/index.js": b"code"}


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A function that sets what `npm pack` does: a shell script."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("PATH", f"{bin_folder}:/usr/bin:/bin")

    def install(script):
        path = bin_folder / "npm"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    return install


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "published.tgz"
    path.write_bytes(ARCHIVE)
    return path


def test_a_package_is_fetched_once(npm, archive):
    npm(f'test "$3" = @tiny/tool@1.0 && cp {archive} tiny-tool-1.0.tgz')
    assert read_package(TINY) == CONTENT
    npm("exit 1")
    assert read_package(TINY) == CONTENT


def test_a_copied_archive_needs_no_npm(npm, tmp_path):
    folder = tmp_path / "cache" / "corallite" / "npm"
    folder.mkdir(parents=True)
    (folder / "tiny-tool-1.0.tgz").write_bytes(ARCHIVE)
    assert read_package(TINY) == CONTENT


def test_what_hinders_npm_is_one_sentence(npm, tmp_path, monkeypatch):
    by_hand = r"or copy tiny-tool-1\.0\.tgz into .*corallite/npm"
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    with pytest.raises(RequestError, match=rf"npm: cannot be run .* npm; {by_hand}"):
        read_package(TINY)
    npm("echo 'npm error network timeout' >&2; exit 1")
    reason = r"tool 1\.0 \(npm error network timeout\); check the network"
    with pytest.raises(RequestError, match=f"{reason}.*{by_hand}"):
        read_package(TINY)
    monkeypatch.setattr(npm_package, "_TIMEOUT_S", 0.2)
    npm("while :; do :; done")
    with pytest.raises(RequestError, match=r"\(not finished after 0 s\)"):
        read_package(TINY)


def test_another_content_is_refused(npm, tmp_path):
    other = tmp_path / "other.tgz"
    other.write_bytes(make_archive(b"other code"))
    npm(f"cp {other} tiny-tool-1.0.tgz")
    with pytest.raises(RequestError, match="fetched another @tiny/tool 1.0"):
        read_package(TINY)
    folder = tmp_path / "cache" / "corallite" / "npm"
    folder.mkdir(parents=True)
    (folder / "tiny-tool-1.0.tgz").write_bytes(ARCHIVE[:-9])
    with pytest.raises(RequestError, match="is not @tiny/tool 1.0 .* remove it"):
        read_package(TINY)
