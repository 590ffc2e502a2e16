#!/bin/sh
# elastic-cloud-enterprise.sh and ece-agent in one file, for a host that has neither. It takes the
# verbs and flags of the script. The two are an archive after the last line.
set -eu

checksum='@SHA256@'
platform='@PLATFORM@'

fail() { printf 'error: %s\n' "$1" >&2; exit 1; }

[ "$(uname -s)-$(uname -m)" = "$platform" ] ||
  fail "this installer is for $platform, and this machine is $(uname -s)-$(uname -m)"
[ -f "$0" ] || fail "save this installer as a file, and run that"

# For as long as this runs, a token or a password among its arguments can be seen by every user: it
# goes on as another process, to which that is handed through a pipe.
secret='' flag='' found=''
for argument do
  shift
  if [ "$flag" ]; then
    secret=$argument found=$flag flag=''
    continue
  fi
  case $argument in
    --roles-token | --pwd) flag=$argument ;;
    --roles-token=* | --pwd=*) secret=${argument#*=} found=${argument%%=*} ;;
    *) set -- "$@" "$argument" ;;
  esac
done
[ -z "$flag" ] || set -- "$@" "$flag"
case $found in
  --roles-token)
    # Quotes that were typed as part of it.
    secret=${secret#\'} secret=${secret%\'}
    set -- "$@" --roles-token-file - ;;
  --pwd) set -- "$@" --password-file /dev/stdin ;;
esac
if [ "$found" ]; then
  exec sh "$0" "$@" <<END
$secret
END
fi

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
tail -n +@LINES@ "$0" >"$dir/archive"
printf '%s  %s\n' "$checksum" "$dir/archive" | sha256sum --check --quiet - ||
  fail "this installer is damaged: its digest is another one; copy it again"
tar -xzf "$dir/archive" -C "$dir" ./ece-agent ./elastic-cloud-enterprise.sh
chmod 755 "$dir"

case ${1:-install} in
  -h | --help | -V | --version) installs=no ;;
  install | -*) installs=yes ;;
  *) installs=no ;;
esac

# Under systemd 'install' puts the program in its place; elsewhere the daemon needs one that stays.
user=$(id -u)
if [ "$user" != 0 ] && command -v sudo >/dev/null && sudo -n true 2>/dev/null; then user=0; fi
if [ $installs = yes ] && { [ "$user" != 0 ] || [ ! -d /run/systemd/system ]; }; then
  if [ "$(id -u)" = 0 ]; then place=/usr/local/bin; else place=$HOME/.local/bin; fi
  mkdir -p "$place"
  mv "$dir/ece-agent" "$place/.ece-agent.new"
  mv "$place/.ece-agent.new" "$place/ece-agent"
  ln -s "$place/ece-agent" "$dir/ece-agent"
fi

status=0
ECE_AGENT_BINARY=$dir/ece-agent bash "$dir/elastic-cloud-enterprise.sh" "$@" || status=$?
exit "$status"
