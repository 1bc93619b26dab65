"""Explains how to install the Edge TPU compiler."""

from corallite.convert.edgetpu.compile.compiler_program import is_x86_64

_REPOSITORY = """\
curl -fsSL https://packages.cloud.google.com/apt/doc/apt-key.gpg \\
  | gpg --dearmor > /usr/share/keyrings/coral-edgetpu.gpg
echo "deb [signed-by=/usr/share/keyrings/coral-edgetpu.gpg] \\
  https://packages.cloud.google.com/apt coral-edgetpu-stable main" \\
  > /etc/apt/sources.list.d/coral-edgetpu.list
apt-get update && apt-get install -y edgetpu-compiler"""
ON_X86_64 = f"""\
To install it on Debian or Ubuntu, as root:

{_REPOSITORY}
"""
ELSEWHERE = f"""\
It is a program for Linux on x86-64 only. Run it there, or in a container (on other
processors this needs qemu-user-static and is slow):

docker build --platform=linux/amd64 --tag=edgetpu-compiler - <<'END'
FROM debian:12
RUN apt-get update && apt-get install -y ca-certificates curl gpg
RUN <<'SETUP'
{_REPOSITORY}
SETUP
END

and then: corallite compile --container_image=edgetpu-compiler --model=...
"""


def explain_installation() -> str:
    """Returns the commands that install the compiler on this machine."""
    return ON_X86_64 if is_x86_64() else ELSEWHERE
