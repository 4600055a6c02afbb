#!/usr/bin/env bash
# A 64-bit Arm user land with Python 3.11 and the packages that make pixels, and a QEMU that runs it, below FOLDER.
#   arm_board.sh FOLDER
# Then FOLDER/python is an Arm Python with those packages, and FOLDER/board/python one with NumPy and ONNX Runtime alone,
# as a board has it; FOLDER may not lie right below a virtual environment, whose pyvenv.cfg that Python would follow.
# Needs a Debian with its package lists and pip; no root, and changes nothing else.
# Debian 12's own QEMU, 7.2, is too old; Debian 13's serves. Some 100 MB, half a minute; nothing to do where it is there.
set -euo pipefail
if ! command -v apt-get >/dev/null || ! command -v dpkg-deb >/dev/null; then
  echo "No emulated Arm board: that takes Debian's apt-get and dpkg-deb." >&2
  exit 0
fi
constraints=$(cd "$(dirname "$0")/../.." && pwd)/constraints.txt
top=$(mkdir -p "$1" && cd "$1" && pwd)
mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -v security | head -n 1)
key=/usr/share/keyrings/debian-archive-keyring.gpg
platforms=()
for tag in manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014; do platforms+=(--platform "${tag}_aarch64"); done

apt_of() { # architecture, suite, then apt-get's own words: with a state of its own below FOLDER
  local architecture=$1 suite=$2 state=$top/apt/$1-$2
  shift 2
  mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
  touch "$state/status"
  echo "deb [signed-by=$key] $mirror $suite main" >"$state/sources.list"
  (cd "$state" && apt-get -qq -o "Dir::State=$state" -o "Dir::State::status=$state/status" -o "Dir::Cache=$state/cache" \
    -o "Dir::Etc::sourcelist=$state/sources.list" -o Dir::Etc::sourceparts=/dev/null -o Debug::NoLocking=1 \
    -o Acquire::Languages=none -o "APT::Architecture=$architecture" -o "APT::Architectures::=$architecture" "$@")
}

if [ ! -x "$top/qemu/usr/bin/qemu-aarch64" ]; then
  here=$(dpkg --print-architecture)
  apt_of "$here" trixie update
  apt_of "$here" trixie download qemu-user 2>/dev/null
  dpkg-deb -x "$top/apt/$here-trixie"/qemu-user_*.deb "$top/qemu"
fi
if [ ! -x "$top/system/usr/bin/python3.11" ]; then
  apt_of arm64 bookworm update
  apt_of arm64 bookworm install -y --no-install-recommends --download-only python3-minimal python3.11 libstdc++6
  for package in "$top"/apt/arm64-bookworm/cache/archives/*.deb; do dpkg-deb -x "$package" "$top/system"; done
fi

python_with() { # folder, packages: FOLDER/python, which has them and no others
  local folder=$1
  shift
  rm -rf "$folder/wheels" "$folder/site"
  "${PYTHON:-python3}" -m pip download -q --disable-pip-version-check --only-binary=:all: --python-version 3.11 \
    --implementation cp "${platforms[@]}" --no-deps -d "$folder/wheels" -c "$constraints" "$@"
  for wheel in "$folder"/wheels/*.whl; do python3 -m zipfile -e "$wheel" "$folder/site"; done
  cat >"$folder/python" <<RUN
#!/bin/sh
PYTHONPATH=$folder/site exec $top/qemu/usr/bin/qemu-aarch64 -cpu max -0 $folder/python -L $top/system \
  $top/system/usr/bin/python3.11 "\$@"
RUN
  chmod +x "$folder/python"
  "$folder/python" -c 'import platform, numpy; print(platform.machine(), platform.python_version(), numpy.__version__)'
}

python_with "$top" numpy opencv-python-headless pillow
python_with "$top/board" numpy onnxruntime
