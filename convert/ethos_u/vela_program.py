"""Runs Vela for a limited time, in a process of its own."""

import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from corallite.device.benchmark.ethosu import vela
from corallite.device.system.errors import RequestError
from corallite.device.system.process.isolated import name_signal
from corallite.device.system.process.limited_process import Ended, run_limited

_COMMAND = (sys.executable, "-m", "ethosu.vela")
_REASON = re.compile(
    r"^Warning \(supported operators\) operator: .*, ofm: '(.*)'\nReason: (.*)$",
    re.MULTILINE,
)
# Such as `ethosu.vela.errors.InputFileError: "Error: Reading input file ..."`.
_ERROR = re.compile(r"""[\w.]+: (['"])(?:Error: )?(.*)\1$""")


@dataclass(frozen=True)
class Options:
    """How to compile.

    Attributes:
        accelerator: One of `vela.ACCELERATORS`.
        vela_config: A file of Vela's with the figures of a board; "" for Vela's own.
        system_config: Of that file: clocks and bandwidths; "" for Vela's default.
        memory_mode: Of that file: what is in which memory; "" for Vela's default.
        timeout_s: Seconds after which Vela is killed.
    """

    accelerator: str = vela.DEFAULT_ACCELERATOR
    vela_config: str = ""
    system_config: str = ""
    memory_mode: str = ""
    timeout_s: float = 300.0

    @property
    def is_for_board(self) -> bool:
        """Whether Vela is given more than the accelerator."""
        return bool(self.vela_config or self.system_config or self.memory_mode)

    def arguments(self) -> list[str]:
        """Returns Vela's flags."""
        # Vela runs in another folder, and also looks among its own files.
        own = Path(self.vela_config)
        config = str(own.resolve()) if own.is_file() else self.vela_config
        chosen = {
            "accelerator-config": self.accelerator,
            "config": config,
            "system-config": self.system_config,
            "memory-mode": self.memory_mode,
        }
        return [f"--{name}={value}" for name, value in chosen.items() if value]


@dataclass(frozen=True)
class Output:
    """What Vela has made.

    Attributes:
        content: The compiled file.
        estimate: Its figures.
        reasons: Why an operator stays on the CPU, by the name of its output.
        version: Of Vela.
        duration_s: How long it ran.
    """

    content: bytes
    estimate: vela.Estimate
    reasons: dict[str, str]
    version: str
    duration_s: float


def run_vela(content: bytes, path: Path, options: Options) -> Output:
    """Compiles the content of a `.tflite` file.

    Args:
        content: The model, without the archive behind it.
        path: Its name, for errors.
        options: How to compile.

    Raises:
        RequestError: Vela is not installed, or does not compile the file.
    """
    vela.require_accelerator(options.accelerator)
    version = vela.version()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(content)
        flags = ("--verbose-performance", "--output-dir=.", *options.arguments())
        command = [*_COMMAND, *flags, "model.tflite"]
        ended = run_limited(
            command,
            folder=folder,
            timeout_s=options.timeout_s,
            remedy="Check that this Python can be started.",
        )
        _require_success(ended, path, options)
        compiled = folder / "model_vela.tflite"
        if not compiled.exists():
            raise vela.refusal(ended.text)
        estimate = vela.read_estimate(folder, ended.text)
        reasons = dict(_REASON.findall(ended.text))
        made = compiled.read_bytes()
    return Output(made, estimate, reasons, version, ended.duration_s)


def _require_success(ended: Ended, path: Path, options: Options) -> None:
    """Raises `RequestError` if Vela was killed, crashed or failed."""
    if ended.status is None:
        raise RequestError(
            f"{path}: Vela did not end in {options.timeout_s:g} s and was killed; "
            "raise --timeout_s, or use a smaller network."
        )
    if ended.status < 0:
        raise RequestError(
            f"{path}: Vela does not compile it ({name_signal(-ended.status)}); convert "
            "it again, or use another network."
        )
    if ended.status and options.is_for_board:
        raise RequestError(
            f"{path}: Vela does not compile it ({_last_line(ended.text)}); check "
            "--vela_config, --system_config and --memory_mode."
        )
    if ended.status:
        raise RequestError(
            f"{path}: Vela does not compile it ({_last_line(ended.text)}); convert it "
            "again, or use another network."
        )


def _last_line(printed: str) -> str:
    """Returns Vela's error without the name of its Python class."""
    lines = printed.strip().splitlines() or ["it printed nothing"]
    found = _ERROR.match(lines[-1])
    return (found[2] if found else lines[-1]).rstrip(".")
