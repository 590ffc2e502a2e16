#!/usr/bin/env bash
# Takes the place of ECE's installer script: finds ece-agent and calls it with the same verbs and
# flags, through sudo where that works. Tokens and passwords given on the command line are handed
# on through a pipe, not as arguments.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

say() { printf '%s\n' "$*" >&2; }
bad_argument() { say "error: $*"; exit 3; }

find_binary() {
  local candidate
  for candidate in "${ECE_AGENT_BINARY:-}" "$here/ece-agent" "$(command -v ece-agent || true)"; do
    if [[ -n $candidate && -x $candidate && ! -d $candidate ]]; then
      printf '%s' "$candidate"
      return
    fi
  done
  say "error: ece-agent was not found beside this script, in PATH or as ECE_AGENT_BINARY"
  exit 1
}

usage() {
  cat <<'END'
usage: elastic-cloud-enterprise.sh [VERB] [FLAG…]

  install                        set up the first host, or join a cluster (without a verb too)
  upgrade                        put the ece-agent beside this script in the installed one's place
  reset-adminconsole-password    give a user of the API a new password, on the first host
  add-stack-version              nothing to do here
  configure-selinux-settings     nothing to do here

'ece-agent help VERB' describes the flags.
END
}

# Whether nobody else is in a group but the caller, or root.
is_private_group() {
  local name members
  IFS=: read -r name _ _ members < <(getent group "$1" || true) || return 1
  [[ $name == root || $name == "$(id -un)" ]] && [[ -z $members || $members == "$name" ]]
}

# What runs as root must not be anybody else's to change: ends unless the file, and each directory
# on the way to it, is root's or the caller's and can be written by nobody else.
must_be_ours() {
  local file=$1 at owner group mode kind
  [[ -e $file ]] || bad_argument "$file is not there"
  for at in "$(cd -P "$(dirname "$file")" && pwd)/$(basename "$file")" "$(readlink -f "$file")"; do
    while :; do
      IFS=: read -r owner group mode kind < <(stat --format='%u:%g:%a:%F' "$at")
      mode=$((8#$mode))
      if [[ $owner != 0 && $owner != "$EUID" ]]; then
        refuse "$file" "$at belongs to the user $owner" "$at"
      elif [[ $kind == 'symbolic link' ]] || { [[ $kind == directory ]] && ((mode & 01000)); }; then
        : # Its owner alone can replace it, or what is in it.
      elif ((mode & 02)) || { ((mode & 020)) && ! is_private_group "$group"; }; then
        refuse "$file" "others can write $at" "$at"
      fi
      [[ $at == / ]] && break
      at=$(dirname "$at")
    done
  done
}

refuse() {
  say "error: $1 is not run as root: $2"
  say "  fix: put ece-agent where only root or you can write, or run 'sudo chown root:root $3 && sudo chmod go-w $3'"
  exit 4
}

# Becomes the program, as root if sudo allows that. What is not a secret of the environment goes
# along. $secret, if set, is what the program reads from its standard input.
secret='' has_secret=''
goes_through_sudo() { [[ $EUID != 0 ]] && command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
become() {
  local command=("$@") name
  if goes_through_sudo; then
    must_be_ours "$1"
    command[0]=$(readlink -f "$1")
    local environment=()
    for name in $(compgen -e ECE_AGENT_ || true); do environment+=("$name=${!name}"); done
    command=(sudo -n env "${environment[@]}" "${command[@]}")
  fi
  if [[ $has_secret ]]; then
    exec "${command[@]}" < <(printf '%s\n' "$secret")
  fi
  exec "${command[@]}"
}

# Splits FLAG=VALUE and FLAG VALUE; sets $value and says how many arguments were taken.
taken=0 value=''
take_value() {
  case $1 in
    *=*) value=${1#*=} taken=1 ;;
    *)
      (($# > 1)) || bad_argument "$1 needs a value"
      value=$2 taken=2 ;;
  esac
}

# Quotes that were typed as part of a value.
unquoted() {
  local text=$1
  text=${text#\'} text=${text%\'}
  printf '%s' "$text"
}

install() {
  local arguments=()
  while (($#)); do
    case $1 in
      --roles-token | --roles-token=*)
        take_value "$@"
        secret=$(unquoted "$value") has_secret=yes
        shift "$taken" ;;
      *)
        arguments+=("$1")
        shift ;;
    esac
  done
  [[ $has_secret ]] && arguments+=(--roles-token-file -)
  local binary
  binary=$(find_binary)
  become "$binary" install "${arguments[@]}"
}

upgrade() {
  local arguments=() without_effect=() binary
  binary=$(find_binary)
  while (($#)); do
    case $1 in
      --binary | --binary=*) take_value "$@"; binary=$value; shift "$taken" ;;
      --timeout | --timeout=*) take_value "$@"; arguments+=(--timeout "$value"); shift "$taken" ;;
      --state-dir | --state-dir=*) take_value "$@"; arguments+=(--state-dir "$value"); shift "$taken" ;;
      --user | --user=* | --pass | --pass=* | --docker-registry | --docker-registry=* | \
      --ece-docker-repository | --ece-docker-repository=* | --cloud-enterprise-version | \
      --cloud-enterprise-version=* | --timeout-factor | --timeout-factor=* | --config-file | \
      --config-file=* | --memory-settings | --memory-settings=* | --host-docker-host | \
      --host-docker-host=* | --host-storage-path | --host-storage-path=*)
        take_value "$@"
        without_effect+=("${1%%=*}")
        shift "$taken" ;;
      --debug | --podman | --selinux | --overwrite-existing-image | --force-upgrade | --skip-pending-plan-check)
        without_effect+=("$1")
        shift ;;
      *) bad_argument "unknown flag $1" ;;
    esac
  done
  ((${#without_effect[@]} == 0)) ||
    say "no effect here: ${without_effect[*]}"
  # What is installed judges what comes; where nothing is, what comes says so.
  local installed=/usr/bin/ece-agent
  [[ -x $installed ]] || installed=$(command -v ece-agent || printf '%s' "$binary")
  ! goes_through_sudo || must_be_ours "$binary"
  become "$installed" upgrade --binary "$binary" "${arguments[@]}"
}

reset_password() {
  local arguments=() binary
  while (($#)); do
    case $1 in
      --pwd | --pwd=*)
        take_value "$@"
        secret=$value has_secret=yes
        shift "$taken" ;;
      --user | --user=* | --host-storage-path | --host-storage-path=* | --state-dir | --state-dir=*)
        take_value "$@"
        arguments+=("${1%%=*}" "$value")
        shift "$taken" ;;
      --host-docker-host | --host-docker-host=* | --secrets | --secrets=*)
        take_value "$@"
        say "no effect here: ${1%%=*}"
        shift "$taken" ;;
      --debug | --podman | --selinux) say "no effect here: $1"; shift ;;
      *) bad_argument "unknown flag $1" ;;
    esac
  done
  [[ $has_secret ]] && arguments+=(--password-file /dev/stdin)
  binary=$(find_binary)
  become "$binary" reset-password "${arguments[@]}"
}

case ${1:-install} in
  -h | --help | help) usage ;;
  --*) install "$@" ;;
  install) shift || true; install "$@" ;;
  upgrade) shift; upgrade "$@" ;;
  reset-adminconsole-password) shift; reset_password "$@" ;;
  add-stack-version)
    say "nothing to do: no stack versions are kept here, as nothing schedules instances yet" ;;
  configure-selinux-settings)
    say "nothing to do: there are no containers here that would need SELinux labels" ;;
  *) bad_argument "unknown verb '$1'; see --help" ;;
esac
