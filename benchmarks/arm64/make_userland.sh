#!/bin/sh
# Makes a folder with Debian's arm64 userland and what a device runs, for emulation:
#
#     benchmarks/arm64/make_userland.sh FOLDER [REQUIREMENT...]
#     FOLDER/python -m corallite.device.cli.doctor_main --model=model_int8.tflite
#
# FOLDER/python is arm64 Python under qemu-aarch64, with the device's wheels, those of
# each REQUIREMENT, and the sources of this checkout. It sees the whole machine's files.
# No root, chroot or binfmt is needed, but: apt install debootstrap qemu-user
set -eu

if test $# -eq 0; then
  echo "usage: $0 FOLDER [REQUIREMENT...]" >&2
  exit 2
fi
for tool in debootstrap qemu-aarch64 dpkg; do
  PATH=$PATH:/usr/sbin command -v "$tool" > /dev/null || {
    echo "$0: no $tool here; sudo apt install debootstrap qemu-user" >&2
    exit 2
  }
done
root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$1"
folder=$(cd "$1" && pwd)
shift

# The runtime that works under the qemu 7.2 of Debian 12: 1.4.0 and 2.3.0 crash there
# when an interpreter is made.
set -- absl-py numpy opencv-python-headless ai-edge-litert==2.0.2 "$@"

# Unpacking is enough: no package of these needs its configuration to run. The file
# is written last, so that what was interrupted is done again.
if ! test -e "$folder/unpacked"; then
  # Outside of root debootstrap fails after it fetched all, when it makes devices.
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
# corallite.device is device/ in the checkout: the package is the checkout itself.
mkdir -p "$folder/opt/sources"
ln -sfn "$root" "$folder/opt/sources/corallite"
# Processes that Python starts of itself, as the doctor's trials are, need the emulator.
echo "import sys; sys.executable = '$folder/python'" \
  > "$folder/opt/sources/sitecustomize.py"

cat > "$folder/python" << END
#!/bin/sh
# A Raspberry Pi 4's processor unless QEMU_CPU names another.
export QEMU_CPU="\${QEMU_CPU:-cortex-a72}"
exec qemu-aarch64 -L '$folder' -E PYTHONPATH='$folder/opt/site:$folder/opt/sources' \\
  '$folder/usr/bin/python3.11' "\$@"
END
chmod +x "$folder/python"
echo "$folder/python"
