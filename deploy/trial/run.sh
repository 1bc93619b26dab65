#!/bin/bash
# Boots Debian in a container, installs the wheel and the systemd units as docs/device.md says,
# and tests them: one line per check, and status 1 if a check fails.
#
#     PYTHON=.venv/bin/python deploy/trial/run.sh MODEL IMAGES
#
# A fake network camera shows the images of the folder IMAGES. The tests' stand-in replaces the
# Edge TPU. It needs root and: apt install debootstrap systemd-container. SUITE=trixie selects
# Debian 13. It takes five minutes and 1 GB of /tmp.
set -euo pipefail

if test $# -ne 2; then
  echo "usage: $0 MODEL IMAGES" >&2
  exit 2
fi
PATH=$PATH:/usr/sbin
for tool in debootstrap systemd-nspawn nsenter; do
  test "$(id -u)" = 0 && command -v "$tool" > /dev/null || {
    echo "$0: needs root, debootstrap and systemd-nspawn; on Debian:" \
      "apt install debootstrap systemd-container" >&2
    exit 2
  }
done
here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
folder=$(mktemp -d)
root=$folder/root
container=

clean_up() {
  test -z "$container" || { kill -KILL "$(leader)" "$container" || true; wait; } 2> /dev/null
  rm -rf --one-file-system "$folder"
}
trap clean_up EXIT
trap 'tail "$folder/log" >&2' ERR
trap 'exit 130' INT TERM

leader() { pgrep --parent "$container"; }
inside() {
  nsenter --all --target "$(leader)" \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 "$@"
}

echo "Installing Debian ${SUITE:=bookworm} in $folder; the log is $folder/log"
debootstrap --variant=minbase \
  --include=systemd-sysv,dbus,python3-venv,procps,curl,mosquitto \
  "$SUITE" "$root" > "$folder/log"
# From a copy: setuptools creates a folder build/, and packs all files in an existing one.
mkdir "$folder/source"
cp -r "$project"/{setup.cfg,pyproject.toml,README.md,LICENSE,device,train,optimize,convert} \
  "$folder/source"
"${PYTHON:=python3}" -m pip wheel --quiet --no-deps --wheel-dir="$root/root" "$folder/source"
cp "$project"/deploy/*.service "$project/benchmarks/mjpeg_server.py" "$here"/* "$root/root"
cp "$1" "$root/root/model_int8.tflite"
cp -r "$2" "$root/root/images"
cp -r "$project/tests/fixtures/edgetpu_standin" "$root/opt"
"$PYTHON" "$here/compile.py" "$1" "$root/root/model_int8_edgetpu.tflite"
# The network may need its own certificate authority and package index.
for file in /etc/pip.conf /etc/ssl/certs/ca-certificates.crt; do
  test ! -e "$file" || install -D -m 644 "$file" "$root$file"
done
# Without a running systemd, the container cannot be registered.
test -d /run/systemd/system || keep=--keep-unit
nspawn=(systemd-nspawn --quiet --directory="$root" --register=no ${keep:-})
"${nspawn[@]}" bash /root/install.sh >> "$folder/log" 2>&1

"${nspawn[@]}" --boot --private-network --console=pipe < /dev/null >> "$folder/log" 2>&1 &
container=$!
for _ in $(seq 60); do
  sleep 1
  state=$(inside systemctl is-system-running 2> /dev/null || true)
  case $state in running | degraded) break ;; esac
done
inside bash /root/check.sh
