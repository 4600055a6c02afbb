#!/usr/bin/env bash
# Debian's Chromium, in which the tests open reports. Nothing to do where it is there.
set -euo pipefail
command -v chromium >/dev/null && exit 0
if ! command -v apt-get >/dev/null; then
  echo "chromium is missing: install it by your system's packages to run tests/e2e/test_report_pages.py." >&2
  exit 0
fi
root=$([ "$(id -u)" = 0 ] || echo sudo)
$root apt-get update -qq
DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends chromium
