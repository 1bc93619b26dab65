"""A features file: a network up to its features, which gives int8 `[1, n]`."""

import hashlib
from pathlib import Path
from typing import NamedTuple

from corallite.device.engine.first_use import require_no_crash
from corallite.device.engine.pixels import PixelEncoder
from corallite.device.engine.runners import litert
from corallite.device.engine.runtime import read_model
from corallite.device.model.cpu_fallback import name_cpu_fallback
from corallite.device.model.manifest import FEATURES, Manifest, read_manifest
from corallite.device.model.signature import TensorSpec
from corallite.device.system.errors import RequestError

# The features file that ships with the package; see features.txt.
SHIPPED = Path(__file__).parent / "features.tflite"


class FeaturesFile(NamedTuple):
    """A features file.

    Attributes:
        path: Its path.
        content: Its content.
        sha256: SHA-256 of its content, in hexadecimal.
        manifest: Its manifest.
        output: Its output, int8 `[1, n]`.
        compiled: Content of the file that was compiled from it for the Edge TPU; None
            if there is none.
    """

    path: Path
    content: bytes
    sha256: str
    manifest: Manifest
    output: TensorSpec
    compiled: bytes | None = None

    @classmethod
    def open(cls, path: Path) -> "FeaturesFile":
        """Reads and checks a file.

        Args:
            path: The file. If it is NAME_edgetpu.tflite, NAME.tflite, which it was
                compiled from, computes the features on the CPU.

        Raises:
            RequestError: It cannot be read or run, or is not a features file.
        """
        given, path = path, Path(name_cpu_fallback(str(path)))
        compiled = None if given == path else read_model(given)
        content = read_model(path)
        manifest = read_manifest(path, content)
        if manifest is None or manifest.classes.values != FEATURES:
            raise RequestError(
                f"{path}: is not a features file; make one with: corallite convert "
                "--to=features."
            )
        require_no_crash(path, content)
        signature = litert.load(path, content=content).signature
        # Fails here: in a worker thread, the error would be BrokenThreadPool.
        PixelEncoder(manifest.image, signature, path)
        outputs = signature.outputs
        if len(outputs) != 1 or outputs[0].dtype != "int8" or not outputs[0].scale:
            raise RequestError(
                f"{path}: does not give int8 features; make it again with: corallite "
                "convert --to=features."
            )
        sha256 = hashlib.sha256(content).hexdigest()
        return cls(path, content, sha256, manifest, outputs[0], compiled)

    @property
    def size(self) -> int:
        """The number of features."""
        return self.output.shape[-1]
