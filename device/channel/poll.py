"""Asks a channel for the model of this device; runs in a process of its own.

The Update Framework (TUF 1.0, theupdateframework.io) protects what is downloaded: by
python-tuf's client, with every check of its specification.
"""

import http.client
import json
import os
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3.exceptions
from tuf.api import exceptions
from tuf.ngclient import Updater, UpdaterConfig

from corallite.device.channel.question import Question, Reply
from corallite.device.channel.release import Choice, Release, choose, read_releases
from corallite.device.channel.status import EXPIRED, FAILED, UNREACHABLE, UNTRUSTED
from corallite.device.channel.store import CPU_FALLBACK, MODEL, Store
from corallite.device.system.errors import RequestError
from corallite.device.system.process.parent_death import die_with_parent
from corallite.device.system.storage import atomic

# Of Python's own client; as python-tuf's: to connect, and between two bytes.
_TIMEOUT_S = 30.0
_NICENESS = 10
_CONFIG = UpdaterConfig(app_user_agent="corallite")


def main() -> None:
    """Reads a question from the first argument, and writes the reply to stdout."""
    question = Question(**json.loads(sys.argv[1]))
    die_with_parent(question.parent)
    os.nice(_NICENESS)
    # Downloads wait there until they are verified; /tmp may be memory.
    tempfile.tempdir = question.folder
    print(json.dumps(poll(question)._asdict()))


def poll(question: Question) -> Reply:
    """Downloads what is new, and returns what this device should run."""
    try:
        return _ask(question, Store(Path(question.folder)))
    except exceptions.ExpiredMetadataError:
        return Reply(
            EXPIRED,
            "its signatures have expired, or the date of this device is wrong; run "
            "corallite publish --renew",
        )
    except (exceptions.RepositoryError, exceptions.DownloadLengthMismatchError) as e:
        return Reply(UNTRUSTED, f"its files are not as they were signed ({e})")
    except exceptions.DownloadHTTPError as error:
        return Reply(UNREACHABLE, f"the server answers {error.status_code}")
    except (exceptions.DownloadError, urllib3.exceptions.HTTPError) as error:
        return Reply(UNREACHABLE, _first_cause(error))
    except OSError as error:
        return Reply(FAILED, f"its files cannot be kept ({error.strerror or error})")
    except RequestError as error:
        return Reply(FAILED, str(error).rstrip("."))


def _ask(question: Question, store: Store) -> Reply:
    metadata_dir = store.folder / "metadata"
    metadata_dir.mkdir(parents=True, exist_ok=True)
    base = question.url.rpartition("/")[0]
    pinned = store.read_root()
    root = _download_root(question.url) if pinned is None else pinned
    updater = Updater(
        str(metadata_dir),
        f"{base}/metadata/",
        target_base_url=f"{base}/targets/",
        config=_CONFIG,
        bootstrap=root,
    )
    updater.refresh()
    # Only a root whose whole channel is in order is trusted from now on.
    if pinned is None:
        store.pin_root(root)
    # What the client has just verified and stored.
    stored = json.loads((metadata_dir / "targets.json").read_bytes())
    releases = read_releases(stored["signed"]["targets"])
    choice = choose(releases, question.device, question.version, question.refused)
    if choice.release is not None and choice.release.digest != question.current:
        _download(updater, choice.release, store)
    return _to_reply(choice)


def _to_reply(choice: Choice) -> Reply:
    release = choice.release
    found = (0, "") if release is None else (release.number, release.digest)
    return Reply(choice.state, choice.reason, choice.newest, *found)


def _download(updater: Updater, release: Release, store: Store) -> None:
    if store.is_whole(release.digest):
        return
    with atomic.replacing_folder(store.folder_of(release.digest)) as partial:
        for target, name in zip(release.targets, (MODEL, CPU_FALLBACK), strict=False):
            info = updater.get_targetinfo(target)
            if info is None:
                raise RequestError(f"{target} is not in the channel")
            path = partial / name
            updater.download_target(info, str(path))
            with path.open("rb") as file:
                os.fsync(file.fileno())


def _download_root(url: str) -> bytes:
    """Returns the root of the first contact."""
    with _open(url) as response:
        root = response.read(_CONFIG.root_max_length + 1)
    if len(root) > _CONFIG.root_max_length:
        raise exceptions.DownloadLengthMismatchError("channel.json is too long")
    return bytes(root)


@contextmanager
def _open(url: str) -> Iterator[Any]:
    """Opens a URL without redirections: they may lead to http, which proves nothing.

    Raises:
        DownloadError: The server cannot be reached, or answers with an error.
    """
    opener = urllib.request.build_opener(_NoRedirection)
    request = urllib.request.Request(url, headers={"User-Agent": "corallite"})
    try:
        with opener.open(request, timeout=_TIMEOUT_S) as response:
            yield response
    except urllib.error.HTTPError as error:
        raise exceptions.DownloadHTTPError(str(error), error.code) from error
    except (OSError, http.client.HTTPException) as error:
        raise exceptions.DownloadError(f"{url} cannot be read") from error


class _NoRedirection(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any, **options: Any) -> None:
        return None


def _first_cause(error: BaseException) -> str:
    """Returns the error of the network that others were raised for, without a URL."""
    cause: BaseException = error
    while (deeper := cause.__cause__ or getattr(cause, "reason", None)) is not None:
        if not isinstance(deeper, BaseException):
            break
        cause = deeper
    text = getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
    return f"the network fails ({text})"
