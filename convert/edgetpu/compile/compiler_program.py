"""Finds and runs the Edge TPU compiler, on this machine or in a container."""

import os
import platform
import shutil
import sys
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from corallite.convert.edgetpu.compile.log_parser import parse_text
from corallite.device.system.errors import RequestError
from corallite.device.system.process.limited_process import Ended, run_limited

NAME = "edgetpu_compiler"
_CONTAINER_TOOLS = ("docker", "podman")
# The tool itself failed, the program cannot be executed, or it was not found.
_CONTAINER_FAILURES = (125, 126, 127)
# It may have to start a container, emulated if this is not x86-64.
_VERSION_TIMEOUT_S = 60.0
_X86_64 = ("x86_64", "AMD64", "amd64")


@dataclass(frozen=True)
class Program:
    """Where the compiler is.

    Attributes:
        path: Path of the compiler, or of docker or podman.
        image: The container image with the compiler; "" if it is on this machine.
    """

    path: str
    image: str = ""

    def run(self, arguments: Sequence[str], folder: Path, timeout_s: float) -> Ended:
        """Runs it in `folder`, the only folder that a container sees.

        Raises:
            RequestError: It cannot be started.
        """
        command, end_command = [self.path], list[str]()
        if self.image:
            name = f"corallite-{uuid.uuid4().hex}"
            command = [self.path, *self._container_options(folder, name)]
            end_command = [self.path, "kill", name]
        ended = run_limited(
            [*command, *arguments],
            folder=folder,
            timeout_s=timeout_s,
            remedy="Give compile another --compiler, or --container_image.",
            end_command=end_command,
        )
        if self.image and ended.status in _CONTAINER_FAILURES:
            raise RequestError(
                f"--container_image={self.image}: {Path(self.path).name} cannot run "
                f"{NAME} in it ({last_line(ended.text)}). Build the image first, see "
                "docs/convert.md."
            )
        return ended

    def ask_version(self, folder: Path) -> str:
        """Returns the version that it prints, "" if it prints none.

        Raises:
            RequestError: It cannot be started.
        """
        ended = self.run(["--version"], folder, _VERSION_TIMEOUT_S)
        return parse_text(ended.text)[0].version

    def _container_options(self, folder: Path, name: str) -> list[str]:
        """Returns docker flags: no network, no other folder, files of this user."""
        options = ["run", "--rm", f"--name={name}", "--network=none", "--pull=never"]
        # In rootless podman, the container's root is this user.
        if Path(self.path).name == "docker":
            options.append(f"--user={os.getuid()}:{os.getgid()}")
        if not is_x86_64():
            options.append("--platform=linux/amd64")
        # Z is for SELinux and has no effect without it.
        mount = f"--volume={folder.resolve()}:/work:Z"
        return [*options, mount, "--workdir=/work", f"--entrypoint={NAME}", self.image]


def find_program(compiler: str = "", image: str = "") -> Program | None:
    """Finds the compiler; None if no argument names one and the PATH has none.

    Args:
        compiler: Path or name of a program; "" for `edgetpu_compiler` in the PATH.
        image: A container image with the compiler.

    Raises:
        RequestError: The program, or docker and podman, were not found.
    """
    if compiler and image:
        raise RequestError(
            "Expected one of --compiler and --container_image, not both."
        )
    if image:
        tools = [path for path in map(shutil.which, _CONTAINER_TOOLS) if path]
        if tools:
            return Program(tools[0], image)
        raise RequestError(
            f"--container_image={image}: neither docker nor podman is in the PATH. "
            "Install one of them."
        )
    path = shutil.which(compiler or NAME)
    if path is None and compiler:
        raise RequestError(
            f"--compiler={compiler}: program not found. Check its path and that it is "
            "executable."
        )
    # Absolute, because it runs in another folder.
    return Program(os.path.abspath(path)) if path else None


def is_x86_64() -> bool:
    """Returns whether this is Linux on x86-64, the only platform of the compiler."""
    return sys.platform == "linux" and platform.machine() in _X86_64


def last_line(text: str) -> str:
    """Returns the last line of a program's output that is not empty."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].rstrip(".") if lines else "it printed nothing"
