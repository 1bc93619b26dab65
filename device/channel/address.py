"""The URL of a channel, and the folder where a device keeps what it got from it."""

import ipaddress
import os
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from corallite.device.channel.release import FILE_NAME
from corallite.device.system.errors import RequestError
from corallite.device.system.url import parse_url

_FORM = f"https://HOST/FOLDER/{FILE_NAME}"


class Channel(NamedTuple):
    """Where a channel is, and where its files are kept here.

    Attributes:
        url: Of its `channel.json`.
        name: The same for messages: a part of a path may be a secret.
        folder: For metadata and models; of this channel only.
        root: A file with the trusted root; None to trust that of the first contact.
    """

    url: str
    name: str
    folder: Path
    root: Path | None = None


def parse_channel(url: str, root: str | None = None) -> Channel:
    """Parses the URL of a channel.

    Args:
        url: `https://HOST/FOLDER/channel.json`. With `http`, nobody proves who the
            server is, so the host must be this machine, or `root` be given.
        root: A copy of `channel.json` that the user trusts.

    Raises:
        RequestError: The URL is not one of these, or `root` is not a file.
    """
    parts = parse_url(url, ("http", "https"), _FORM)
    if parts.user is not None or parts.query or not parts.path.endswith(FILE_NAME):
        raise RequestError(
            f"{parts.name}: is not the URL of a channel, which ends with {FILE_NAME} "
            f"and has no user and no query; write {_FORM}."
        )
    if root is not None and not Path(root).is_file():
        raise RequestError(
            f"--channel_root={root}: is not a file; give a copy of the channel's "
            f"{FILE_NAME}."
        )
    if parts.scheme == "http" and root is None and not _is_this_machine(parts.host):
        raise RequestError(
            f"{parts.name}: nothing proves whose channel this is, because http is not "
            "encrypted; write https, or give a copy of its channel.json with "
            "--channel_root."
        )
    url = parts.without_user
    digest = sha256(url.encode()).hexdigest()[:16]
    folder = _state_folder() / "channels" / f"{parts.host.replace(':', '_')}-{digest}"
    trusted = None if root is None else Path(root).absolute()
    return Channel(url, parts.name, folder, trusted)


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
