#!/usr/bin/env bash
# QEMU's user-mode emulator, with which the tests play an x86 processor without VNNI. Nothing to do where it is there.
set -euo pipefail
command -v qemu-x86_64-static >/dev/null && exit 0
if [ "$(uname -m)" != x86_64 ] || ! command -v apt-get >/dev/null; then
  echo "qemu-x86_64-static is missing: install qemu-user-static of your system to run tests/processors." >&2
  exit 0
fi
root=$([ "$(id -u)" = 0 ] || echo sudo)
$root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends qemu-user-static
