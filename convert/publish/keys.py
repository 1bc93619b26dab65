"""The private keys that sign channels; they stay on the machine that publishes."""

import os
from collections.abc import Collection
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from securesystemslib.signer import CryptoSigner

from corallite.device.system.errors import RequestError
from corallite.device.system.files import reporting_unreadable


def default_folder() -> Path:
    """Returns where keys are by default."""
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(config) / "corallite" / "keys"


def require_private(keys: Path, channel: Path) -> None:
    """Raises `RequestError` if keys are in the folder that is uploaded."""
    if keys.resolve().is_relative_to(channel.resolve()):
        raise RequestError(
            f"--keys={keys}: is inside the channel {channel}, which everyone can read; "
            "give another folder."
        )
    for path in sorted(channel.rglob("*.pem")):
        raise RequestError(
            f"{path}: may be a private key, and everyone can read the channel; move "
            "it elsewhere, and replace the key if the folder was uploaded."
        )


def path_of(keys: Path, key_id: str) -> Path:
    """Returns the file of a key. Its name is the id by which a channel names it."""
    return keys / f"{key_id}.pem"


def make(keys: Path) -> CryptoSigner:
    """Makes an Ed25519 key, which only this user may read."""
    signer = CryptoSigner.generate_ed25519()
    keys.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = path_of(keys, signer.public_key.keyid)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(signer.private_bytes)
        file.flush()
        os.fsync(file.fileno())
    return signer


def find(keys: Path, key_ids: Collection[str]) -> CryptoSigner:
    """Returns the key of a channel.

    Args:
        keys: The folder of the keys.
        key_ids: Those that the channel's root names.

    Raises:
        RequestError: None of them is in `keys`, or it cannot be read.
    """
    for key_id in key_ids:
        path = path_of(keys, key_id)
        if path.exists():
            return _load(path, key_id)
    raise RequestError(
        f"{keys}: does not have the key of this channel, {' or '.join(key_ids)}.pem; "
        "copy it there, or give its folder with --keys."
    )


def _load(path: Path, key_id: str) -> CryptoSigner:
    damaged = RequestError(
        f"{path}: is not the Ed25519 key of its name; copy it again."
    )
    with reporting_unreadable(path, "check its permissions"):
        is_private = not path.stat().st_mode & 0o077
        content = path.read_bytes()
    if not is_private:
        raise RequestError(
            f"{path}: other users of this machine may read or change it; run: chmod "
            f"600 {path}, and --rotate_key if somebody may have read it."
        )
    try:
        private = load_pem_private_key(content, None)
    except (TypeError, ValueError) as error:
        raise damaged from error
    if not isinstance(private, Ed25519PrivateKey):
        raise damaged
    signer = CryptoSigner(private)
    if signer.public_key.keyid != key_id:
        raise damaged
    return signer
