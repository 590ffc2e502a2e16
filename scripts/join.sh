#!/bin/sh
# Installs this host with the program that a coordinator serves. The coordinator fills in what
# stands between '@'; whoever fetched this script with the pinned key has checked all of it.
set -eu

url='@URL@'
pin='@PIN@'
checksum='@SHA256@'
platform='@PLATFORM@'
coordinator='@COORDINATOR@'

fail() { printf 'error: %s\n' "$1" >&2; exit 1; }

[ "$(uname -s)-$(uname -m)" = "$platform" ] ||
  fail "the coordinator serves ece-agent for $platform, and this machine is $(uname -s)-$(uname -m)"
command -v curl >/dev/null || fail "curl is needed"

sudo=
if [ "$(id -u)" != 0 ] && command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
  sudo='sudo -n'
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
curl -fsSk --pinnedpubkey "$pin" -o "$dir/ece-agent" "$url/downloads/ece-agent" ||
  fail "the program could not be fetched from $url"
printf '%s  %s\n' "$checksum" "$dir/ece-agent" | sha256sum --check --quiet - ||
  fail "what $url serves is not the program it says it is"
chmod 755 "$dir" "$dir/ece-agent"

# Under systemd 'install' puts the program in its place; elsewhere the daemon needs one that stays.
program=$dir/ece-agent
if [ -z "$sudo" ] && { [ "$(id -u)" != 0 ] || [ ! -d /run/systemd/system ]; }; then
  if [ "$(id -u)" = 0 ]; then place=/usr/local/bin; else place=$HOME/.local/bin; fi
  mkdir -p "$place"
  mv "$dir/ece-agent" "$place/.ece-agent.new"
  mv "$place/.ece-agent.new" "$place/ece-agent"
  program=$place/ece-agent
fi

$sudo "$program" install --coordinator-host "$coordinator" "$@"
