#!/bin/sh
# Creates a folder with Debian's arm64 userland and the device's packages, for emulation:
#
#     benchmarks/arm64/make_userland.sh FOLDER [REQUIREMENT...]
#     FOLDER/python -m corallite.device.cli.doctor_main --model=model_int8.tflite
#
# FOLDER/python is arm64 Python under qemu-aarch64, with the device's wheels, those of
# each REQUIREMENT, and the sources of this checkout. It can access all files of the
# machine. It needs no root, chroot or binfmt, but: apt install debootstrap qemu-user
set -eu

if test $# -eq 0; then
  echo "usage: $0 FOLDER [REQUIREMENT...]" >&2
  exit 2
fi
for tool in debootstrap qemu-aarch64 dpkg; do
  PATH=$PATH:/usr/sbin command -v "$tool" > /dev/null || {
    echo "$0: $tool is not installed; run: sudo apt install debootstrap qemu-user" >&2
    exit 2
  }
done
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift

set -- absl-py numpy opencv-python-headless ai-edge-litert "$@"

# Unpacking is enough: these packages work without their configuration step. The file
# is written last, so that an interrupted run is repeated.
if ! test -e "$folder/unpacked"; then
  # Without root, debootstrap fails only after all downloads, when it creates devices.
  PATH=$PATH:/usr/sbin debootstrap --arch=arm64 --foreign --variant=minbase \
    --include=python3,libstdc++6 bookworm "$folder" \
    || ls "$folder"/var/cache/apt/archives/*.deb > /dev/null
  for package in "$folder"/var/cache/apt/archives/*.deb; do
    dpkg -x "$package" "$folder"
  done
  touch "$folder/unpacked"
fi

"${PYTHON:-python3}" -m pip install --quiet --disable-pip-version-check \
  --no-warn-conflicts --upgrade --target "$folder/opt/site" \
  --python-version 3.11 --implementation cp --only-binary=:all: \
  --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 \
  --platform manylinux_2_17_aarch64 --platform manylinux2014_aarch64 "$@"
# corallite.device is device/ in the checkout: the checkout itself is the package.
mkdir -p "$folder/opt/sources"
ln -sfn "$root" "$folder/opt/sources/corallite"
# Python's own child processes, such as the doctor's trials, need the emulator.
echo "import sys; sys.executable = '$folder/python'" \
  > "$folder/opt/sources/sitecustomize.py"

# LiteRT looks for the cores of an Arm processor in /proc/cpuinfo, and newer versions crash
# if they find those of this machine. qemu 7.2 takes a file of its -L folder instead.
mkdir -p "$folder/proc"
cp "$root/benchmarks/arm64/cpuinfo" "$folder/proc"

cat > "$folder/python" << END
#!/bin/sh
# The processor of a Raspberry Pi 4; QEMU_CPU selects another.
export QEMU_CPU="\${QEMU_CPU:-cortex-a72}"
exec qemu-aarch64 -L '$folder' -E PYTHONPATH='$folder/opt/site:$folder/opt/sources' \\
  '$folder/usr/bin/python3.11' "\$@"
END
chmod +x "$folder/python"
echo "$folder/python"
