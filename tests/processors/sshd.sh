#!/usr/bin/env bash
# OpenSSH's server, and, for root, two users: with them the tests play boards on this machine. Starts nothing, opens no
# port; nothing to do where all is there.
set -euo pipefail
if [ ! -x /usr/sbin/sshd ] || ! command -v ssh >/dev/null; then
  if ! command -v apt-get >/dev/null; then
    echo "/usr/sbin/sshd is missing: install OpenSSH's server to run the tests of boards." >&2
    exit 0
  fi
  root=$([ "$(id -u)" = 0 ] || echo sudo)
  # As Debian installs it, it is started: not here.
  policy=/usr/sbin/policy-rc.d
  [ -e $policy ] || { printf '#!/bin/sh\nexit 101\n' | $root tee $policy >/dev/null && $root chmod +x $policy && made=1; }
  $root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $root apt-get install -y -qq --no-install-recommends openssh-server openssh-client
  [ -z "${made:-}" ] || $root rm $policy
fi
[ "$(id -u)" = 0 ] || exit 0
for user in seatrial-board seatrial-other; do
  # A password that is none, and not locked ("!"), which the server refuses although it asks for a key.
  id "$user" >/dev/null 2>&1 || useradd --no-create-home --shell /bin/sh --password x "$user"
done
