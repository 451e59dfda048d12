#!/bin/sh
# Makes sure that a Chromium is there for the tests of the page. On Debian and Ubuntu it is installed
# when that is allowed without asking for a password; elsewhere this says what to install.
set -eu
for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
  if [ -n "$name" ] && command -v "$name" >/dev/null 2>&1; then
    exit 0
  fi
done
as_root=
if [ "$(id -u)" -ne 0 ]; then
  as_root="sudo -n"
fi
if command -v apt-get >/dev/null 2>&1 && $as_root true 2>/dev/null; then
  echo "installing Chromium for the tests of the page ..."
  export DEBIAN_FRONTEND=noninteractive
  $as_root apt-get -qq update
  $as_root apt-get -qq install --no-install-recommends --yes chromium >/dev/null
  exit 0
fi
echo "no Chromium found: the tests of the page are skipped; install it, or set CHROMIUM to its path" >&2
if [ -n "${CI:-}" ]; then
  exit 1
fi
