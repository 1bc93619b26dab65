"""Where shards go: a folder, or an address such as gs://bucket/name."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from absl import logging

from corallite.device.system import files
from corallite.device.system.errors import RequestError
from corallite.train.framework.keras import tf

_BLOCK = 16 << 20


@dataclass(frozen=True)
class Target:
    """Where shards go.

    Attributes:
        folder: Receives each file first; of an address, a folder of the cache, from
            which sent shards are removed.
        url: The address; None for a folder.
    """

    folder: Path
    url: str | None = None

    def send(self, *names: str) -> None:
        """Copies files of `folder` to the address, in this order, and compares them.

        Indexes stay in `folder` too, for `size` and for the call that resumes.

        Raises:
            RequestError: The address cannot be written, or has other content then.
        """
        for name in names if self.url else ():
            source, address = self.folder / name, f"{self.url}/{name}"
            try:
                # Some file systems would append to it.
                if tf.io.gfile.exists(address):
                    tf.io.gfile.remove(address)
                tf.io.gfile.copy(str(source), address)
                is_equal = _hash(str(source)) == _hash(address)
            except tf.errors.OpError as error:
                raise _unusable(address, error) from error
            if not is_equal:
                raise RequestError(
                    f"{address}: what was read back is not what was written; run the "
                    "same command again."
                )
            if name.endswith(".tfrecord"):
                source.unlink()
            logging.debug("Sent %s.", address)

    def size(self, name: str) -> int | None:
        """Returns the bytes of a file; None if there is none."""
        place = f"{self.url}/{name}" if self.url else str(self.folder / name)
        try:
            return int(tf.io.gfile.stat(place).length)
        except tf.errors.NotFoundError:
            return None
        except tf.errors.OpError as error:
            raise _unusable(place, error) from error


def open_target(out: str) -> Target:
    """Returns where shards go.

    Raises:
        RequestError: `out` is an address of a kind that TensorFlow cannot write.
    """
    scheme, is_url, _ = out.partition("://")
    if not is_url:
        return Target(Path(out))
    known = [x for x in tf.io.gfile.get_registered_schemes() if x not in ("", "file")]
    if scheme not in known:
        raise RequestError(
            f"--out={out}: addresses of this kind cannot be written; give a folder, or "
            "an address that begins with gs://."
        )
    url = out.rstrip("/")
    try:
        tf.io.gfile.makedirs(url)
    except tf.errors.OpError as error:
        raise _unusable(url, error) from error
    name = hashlib.sha256(url.encode()).hexdigest()[:16]
    return Target(files.cache_folder() / "packing" / name, url)


def _unusable(address: str, error: Exception) -> RequestError:
    reason = str(getattr(error, "message", error)).split("\n")[0][:200]
    return RequestError(
        f"{address}: cannot be written ({reason}); check the address and your "
        "credentials, and run the same command again."
    )


def _hash(place: str) -> str:
    digest = hashlib.sha256()
    with tf.io.gfile.GFile(place, "rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
