"""The URL of a channel, and the folder where a device keeps what it got from it."""

import ipaddress
import json
import os
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from corallite.device.channel.release import FILE_NAME
from corallite.device.system.errors import RequestError
from corallite.device.system.files import read_limited
from corallite.device.system.url import parse_url

# As python-tuf limits a root.
MOST_ROOT_BYTES = 512_000
_FORM = f"https://HOST/FOLDER/{FILE_NAME}"


class Channel(NamedTuple):
    """Where a channel is, and where its files are kept here.

    Attributes:
        url: Of its `channel.json`.
        name: The same for messages: a part of a path may be a secret.
        folder: For metadata and models; of this channel only.
        root: The root that the user trusts, as JSON; None to trust that of the first
            contact.
    """

    url: str
    name: str
    folder: Path
    root: bytes | None = None


def parse_channel(url: str, root: str | None = None) -> Channel:
    """Parses the URL of a channel.

    Args:
        url: `https://HOST/FOLDER/channel.json`. With `http`, a server does not
            prove who it is, so the host must be this machine, or `root` be given.
        root: A copy of `channel.json` that the user trusts.

    Raises:
        RequestError: The URL is not one of these, or `root` is not such a file.
    """
    parts = parse_url(url, ("http", "https"), _FORM)
    is_one = parts.path.rpartition("/")[2] == FILE_NAME
    if parts.user is not None or parts.query or not is_one:
        raise RequestError(
            f"{parts.name}: is not the URL of a channel, which ends with {FILE_NAME} "
            f"and has no user and no query; write {_FORM}."
        )
    trusted = None if root is None else _read_root(root)
    if parts.scheme == "http" and root is None and not _is_this_machine(parts.host):
        raise RequestError(
            f"{parts.name}: nothing proves whose channel this is, because http is not "
            "encrypted; write https, or give a copy of its channel.json with "
            "--channel_root."
        )
    url = parts.without_user
    digest = sha256(url.encode()).hexdigest()[:16]
    folder = _state_folder() / "channels" / f"{parts.host.replace(':', '_')}-{digest}"
    return Channel(url, parts.name, folder, trusted)


def _read_root(name: str) -> bytes:
    """Returns the content of --channel_root; its signatures are checked by a poll."""
    remedy = f"give a copy of the channel's {FILE_NAME}"
    try:
        content = read_limited(name, MOST_ROOT_BYTES)
        signed = json.loads(content)["signed"]
        kind, is_whole = signed["_type"], signed["keys"] and signed["roles"]
    except OSError as error:
        why = error.strerror
    except (LookupError, TypeError, ValueError):
        why = "it is not the JSON of a root"
    else:
        why = "" if kind == "root" and is_whole else f"its content is {kind!r}"
    if why:
        raise RequestError(f"--channel_root={name}: cannot be used ({why}); {remedy}.")
    return content


def _state_folder() -> Path:
    """Returns where a program keeps what must survive a restart.

    In a service, systemd names its `StateDirectory`.
    """
    of_service = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    if of_service:
        return Path(of_service)
    state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
    return Path(state) / "corallite"


def _is_this_machine(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
