#!/usr/bin/env bash
# A browser for the tests, from the system's packages; nothing to do where there is one.
set -euo pipefail
for name in chromium chromium-browser google-chrome google-chrome-stable; do
  if command -v "$name" >/dev/null; then exit 0; fi
done
if command -v apt-get >/dev/null; then
  if [ "$(id -u)" = 0 ]; then as_root=(env); elif sudo -n true 2>/dev/null; then as_root=(sudo -n); fi
fi
if [ -z "${as_root[*]-}" ]; then
  echo "The browser tests need Chromium. Install it, then run this again:" >&2
  echo "  Debian: sudo apt-get install chromium    Ubuntu: sudo snap install chromium" >&2
  echo "  or set QPV_SANTE_CHROMIUM to the path of a Chromium or Chrome." >&2
  exit 1
fi
echo "Installing Chromium from the system's packages ..."
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get -qq update
# the pages ask for DejaVu Sans; pdftoppm turns the sheet's PDF into pictures
"${as_root[@]}" apt-get -qq install -y --no-install-recommends chromium fonts-dejavu-core poppler-utils >/dev/null
