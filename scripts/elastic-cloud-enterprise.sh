#!/usr/bin/env bash
# Takes the place of ECE's installer script: finds ece-agent and calls it with the same verbs and
# flags, through sudo where that works. Tokens and passwords given on the command line are handed
# on through a pipe, not as arguments.
set -euo pipefail

# Where the program may lie beside this script. What comes through a pipe has nothing beside it.
beside=''
if [[ -f ${BASH_SOURCE[0]:-} ]]; then
  beside=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/ece-agent
fi

# A line in at most 80 columns, broken at blanks. What follows stands below the beginning.
say() {
  local words line='' indent='' word
  [[ $1 != '  fix: '* ]] || indent='       '
  read -ra words <<<"$*"
  [[ ! $indent ]] || line='  '
  for word in "${words[@]}"; do
    if [[ ${line// } ]] && ((${#line} + ${#word} > 80)); then
      printf '%s\n' "${line% }" >&2
      line=$indent
    fi
    line+="$word "
  done
  printf '%s\n' "${line% }" >&2
}
failed() { # EXIT ERROR FIX
  say "error: $2"
  say "  fix: $3"
  exit "$1"
}
bad_argument() { # ERROR [FIX]
  failed 3 "$1 [config.invalid]" "${2:-"call this script with --help, which names the verbs and where their flags are described"}"
}

# Sets $binary, unless there is none.
binary=''
find_binary() {
  local candidate
  for candidate in "${ECE_AGENT_BINARY:-}" "$beside" "$(command -v ece-agent || true)"; do
    if [[ -n $candidate && -x $candidate && ! -d $candidate ]]; then
      binary=$candidate
      return
    fi
  done
  return 1
}

must_find_binary() {
  find_binary || failed 1 \
    "ece-agent was not found beside this script, in PATH or as ECE_AGENT_BINARY [program.missing]" \
    "put it beside this script, or use the installer file that has both in one"
}

usage() {
  cat <<'END'
usage: elastic-cloud-enterprise.sh [VERB] [FLAG…]

  install                        set up the first host, or join a cluster
                                 (without a verb too)
  upgrade                        put the ece-agent beside this script in the
                                 installed one's place, on this host alone
  reset-adminconsole-password    give a user of the API a new password, on the
                                 first host; takes --user, --pwd, --state-dir
                                 and --host-storage-path
  add-stack-version              nothing to do here
  configure-selinux-settings     nothing to do here

'ece-agent install --help' and 'ece-agent upgrade --help' describe the flags of
these two.
END
}

# Who calls, also where that is by sudo as a whole.
caller=$EUID
[[ $EUID != 0 || ! ${SUDO_UID:-} =~ ^[0-9]+$ ]] || caller=$SUDO_UID

# Whether nobody else is in a group but the caller, or root: as a member, or as whose own it is.
is_private_group() {
  local name members own others
  own=$(id -un "$caller")
  IFS=: read -r name _ _ members < <(getent group "$1" || true) || return 1
  [[ $name == root || $name == "$own" ]] && [[ -z $members || $members == "$name" ]] || return 1
  others=$(getent passwd | awk -F: -v group="$1" -v own="$own" \
    '$4 == group && $1 != "root" && $1 != own' || true)
  [[ ! $others ]]
}

# Whether more than owner and group may have rights to it: the group's bits are those of all then.
has_acl() { [[ $(LC_ALL=C ls -ld -- "$1") == ??????????+* ]]; }

# What runs as root must not be anybody else's to change. Goes to a file step by step, through links
# too, and sets $program to where it is; ends unless each step is root's or the caller's and can be
# written by nobody else, so that what was found stays as it is.
program=''
resolve_ours() {
  local file=$1 rest=$1 at='' part target hops=0
  [[ -e $file ]] || bad_argument "$file is not there"
  [[ $rest == /* ]] || rest=$(pwd -P)/$rest
  must_be_ours / "$file"
  while [[ $rest ]]; do
    rest=${rest#"${rest%%[!/]*}"}
    part=${rest%%/*} rest=${rest#"${rest%%/*}"}
    case $part in
      '' | .) continue ;;
      ..) at=${at%/*}; continue ;;
    esac
    must_be_ours "$at/$part" "$file"
    if [[ -L $at/$part ]]; then
      ((++hops <= 40)) || bad_argument "$file leads through too many links"
      target=$(readlink "$at/$part")
      rest=$target$rest
      [[ $target != /* ]] || at=''
    else
      at=$at/$part
    fi
  done
  program=$at
}

must_be_ours() {
  local at=$1 file=$2 owner group mode kind
  IFS=: read -r owner group mode kind < <(stat --format='%u:%g:%a:%F' "$at") || true
  [[ $mode ]] || bad_argument "$at is not there"
  mode=$((8#$mode))
  if [[ $owner != 0 && $owner != "$caller" ]]; then
    refuse "$file" "$at belongs to the user $owner" "$at"
  elif [[ $kind == 'symbolic link' ]] || { [[ $kind == directory ]] && ((mode & 01000)); }; then
    : # Its owner alone can replace it, or what is in it.
  elif ((mode & 02)) || { ((mode & 020)) && { has_acl "$at" || ! is_private_group "$group"; }; }; then
    refuse "$file" "others can write $at" "$at"
  fi
}

refuse() {
  local at sudo=''
  printf -v at '%q' "$3"
  [[ $EUID == 0 ]] || sudo='sudo '
  say "error: $1 is not run: $2 [program.of_another_user]"
  say "  fix: put ece-agent where only root or you can write, or run"
  printf '       %s\n' "${sudo}chown root:root $at && ${sudo}chmod go-w $at" >&2
  exit 4
}

# Becomes the program, as root if sudo allows that. What is not a secret of the environment goes
# along. $secret, if set, is what the program reads from its standard input.
secret='' has_secret=''
goes_through_sudo() { [[ $EUID != 0 ]] && command -v sudo >/dev/null && sudo -n true 2>/dev/null; }
become() {
  local command=("$@") name
  if goes_through_sudo || [[ $1 == "$beside" ]]; then
    resolve_ours "$1"
    command[0]=$program
  fi
  if goes_through_sudo; then
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
      -h | --help)
        find_binary || { usage; return; }
        become "$binary" install --help ;;
      --roles-token | --roles-token=*)
        take_value "$@"
        secret=$(unquoted "$value") has_secret=yes
        shift "$taken" ;;
      *)
        arguments+=("$1")
        shift ;;
    esac
  done
  if ! find_binary; then
    [[ ! $has_secret ]] || leave_argv join_with_served_program "${arguments[@]}" --roles-token-file -
    join_with_served_program "${arguments[@]}"
    return
  fi
  [[ ! $has_secret ]] || arguments+=(--roles-token-file -)
  become "$binary" install "${arguments[@]}"
}

# Goes on with a function as another process, to which $secret is handed through a pipe. For as long
# as this one stays, a token among its arguments can be seen by every user. There may be no file to
# run again: the script comes through a pipe, too.
leave_argv() { # FUNCTION [ARGUMENT…]
  local going_on
  going_on="$(declare -f)
$(declare -p beside caller)
binary='' program='' secret='' has_secret='' taken=0 value='' workdir=''
\"\$@\""
  exec "$BASH" -euo pipefail -c "$going_on" elastic-cloud-enterprise.sh "$@" \
    < <(printf '%s\n' "$secret")
}

# On a blank host: the coordinator serves the program, and a script that checks and installs it.
# The coordinator has to show a certificate of a CA that the token pins, or that was named.
join_with_served_program() {
  local arguments=() coordinators='' pins='' ca_file='' claims name host ca script
  while (($#)); do
    case $1 in
      --coordinator-host | --coordinator-host=*)
        take_value "$@"; coordinators+=" ${value//,/ }"; shift "$taken" ;;
      --roles-token-file | --roles-token-file=*)
        take_value "$@"; read_token "$value"; shift "$taken" ;;
      --ca-fingerprint | --ca-fingerprint=*)
        take_value "$@"; must_be_pins "$value"; pins+=" ${value//,/ }"; arguments+=(--ca-fingerprint "$value"); shift "$taken" ;;
      --ca-cert | --ca-cert=*)
        take_value "$@"; ca_file=$value; arguments+=(--ca-cert "$value"); shift "$taken" ;;
      *) arguments+=("$1"); shift ;;
    esac
  done
  coordinators=${coordinators:-${ECE_AGENT_COORDINATOR_HOST:-}}
  [[ $has_secret || -z ${ECE_AGENT_ROLES_TOKEN_FILE:-} ]] || read_token "$ECE_AGENT_ROLES_TOKEN_FILE"
  if [[ ! $has_secret ]]; then
    [[ ! $coordinators ]] || failed 3 "a coordinator is named, but no roles token is given [token.missing]" \
      "add --roles-token-file FILE ('-' reads stdin) or --roles-token TOKEN; an administrator makes one with 'ece-agent token create'"
    must_find_binary
  fi
  for name in curl openssl base64 sha256sum; do
    command -v "$name" >/dev/null || failed 1 \
      "ece-agent is not beside this script, and fetching it from the coordinator needs $name [program.missing]" \
      "install $name, or put ece-agent beside this script"
  done
  claims=$(claims_of "$secret")
  [[ $claims == '{'* ]] || failed 10 "this is not a roles token [token.malformed]" \
    "copy the whole token again, without line breaks; an administrator makes one with 'ece-agent token create'"
  [[ $coordinators ]] || coordinators=$(strings_of hosts "$claims")
  [[ $pins || $ca_file ]] || pins=$(strings_of ca "$claims")
  [[ $pins || $ca_file ]] || failed 13 \
    "nothing says which coordinator is the right one: the token has no pin [trust.no_pin]" \
    "run 'ece-agent ca show' on a coordinator and add --ca-fingerprint"
  workdir=$(mktemp -d)
  trap 'rm -rf "$workdir"' EXIT
  for host in $coordinators; do
    host=$(without_port "$host")
    ca=$ca_file
    [[ $ca ]] || ca=$(pinned_ca "$host" "$pins") || continue
    script=$(curl -fsS --noproxy '*' --proto '=https' --cacert "$ca" --connect-timeout 10 \
      --max-time 60 "https://$host:12443/join.sh") || continue
    printf '%s\n' "$secret" | sh -c "$script" join "${arguments[@]}" --roles-token-file -
    return
  done
  failed 12 "ece-agent is not beside this script, and no coordinator was found that serves it and is pinned: ${coordinators# } [coordinator.unreachable]" \
    "check --coordinator-host and the way to port 12443, or put ece-agent beside this script"
}

must_be_pins() {
  local pin
  for pin in ${1//,/ }; do
    [[ $pin =~ ^sha256:[0-9a-fA-F]{64}$ ]] || bad_argument "--ca-fingerprint: '$pin' is no fingerprint" \
      "give 'sha256:' and 64 hexadecimal digits, as 'ece-agent ca show' prints it on a coordinator"
  done
}

workdir=''
read_token() {
  if [[ $1 == - ]]; then
    secret=$(cat)
  else
    secret=$(cat "$1") || failed 3 "the roles token cannot be read [token.unreadable]" \
      "give a file that holds the token's text and nothing else, as this user may read it"
  fi
  has_secret=yes
}

# The middle part of a token, as JSON.
claims_of() {
  local part=${1#*.}
  part=${part%%.*}
  part=${part//-/+} part=${part//_//}
  while ((${#part} % 4)); do part+='='; done
  base64 -d <<<"$part" 2>/dev/null || true
}

# The strings of a list in JSON that a coordinator has written.
strings_of() {
  sed -n "s/.*\"$1\":\[\([^]]*\)\].*/\1/p" <<<"$2" | tr -d '"' | tr ',' ' '
}

without_port() {
  case $1 in
    \[*\]*) printf '%s]' "${1%%\]*}" ;;
    *:*:*) printf '[%s]' "$1" ;;
    *) printf '%s' "${1%%:*}" ;;
  esac
}

# Saves the certificate that a pin is of, among those that the host shows, and prints where.
pinned_ca() {
  local shown number pin
  shown=$(timeout 20 openssl s_client -connect "$1:12443" -showcerts </dev/null 2>/dev/null |
    head -c 65536) || true
  rm -f "$workdir"/shown*
  awk -v "to=$workdir/shown" \
    '/-----BEGIN CERTIFICATE-----/ { n++; on = 1 } on { print > (to n) } /-----END CERTIFICATE-----/ { on = 0 }' \
    <<<"$shown"
  for number in 1 2 3 4; do
    [[ -f $workdir/shown$number ]] || continue
    pin=$(openssl x509 -in "$workdir/shown$number" -pubkey -noout 2>/dev/null |
      openssl pkey -pubin -outform der 2>/dev/null | sha256sum) || continue
    if [[ " ${2,,} " == *" sha256:${pin%% *} "* ]]; then
      mv "$workdir/shown$number" "$workdir/ca.pem"
      printf '%s' "$workdir/ca.pem"
      return
    fi
  done
  return 1
}

upgrade() {
  local arguments=() without_effect=() named=''
  must_find_binary
  while (($#)); do
    case $1 in
      -h | --help) become "$binary" upgrade --help ;;
      --binary | --binary=*) take_value "$@"; binary=$value named=yes; shift "$taken" ;;
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
  # What is found in PATH is installed already, and is no new one.
  [[ $named || $binary == "$beside" || $binary == "${ECE_AGENT_BINARY:-}" ]] || failed 1 \
    "there is no ece-agent beside this script that could take the place of $binary [program.missing]" \
    "put the new one beside this script, or name it with --binary FILE"
  # What is installed judges what comes; where nothing is, what comes says so.
  local installed=/usr/bin/ece-agent
  [[ -x $installed ]] || installed=$(command -v ece-agent || printf '%s' "$binary")
  if goes_through_sudo || [[ $binary == "$beside" ]]; then
    [[ $installed != "$binary" ]] || installed=''
    resolve_ours "$binary"
    binary=$program
  fi
  become "${installed:-$binary}" upgrade --binary "$binary" "${arguments[@]}"
}

reset_password() {
  local arguments=()
  while (($#)); do
    case $1 in
      -h | --help) usage; return ;;
      --pwd | --pwd=*)
        take_value "$@"
        secret=$value has_secret=yes
        shift "$taken" ;;
      --user | --user=* | --password-file | --password-file=* | --host-storage-path | \
      --host-storage-path=* | --state-dir | --state-dir=*)
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
  must_find_binary
  become "$binary" reset-password "${arguments[@]}"
}

case ${1:-install} in
  -h | --help | help) usage ;;
  -V | --version) must_find_binary; become "$binary" version ;;
  --*) install "$@" ;;
  install) shift || true; install "$@" ;;
  upgrade) shift; upgrade "$@" ;;
  reset-adminconsole-password) shift; reset_password "$@" ;;
  add-stack-version)
    say "nothing to do: no stack versions are kept here, as nothing schedules instances yet" ;;
  configure-selinux-settings)
    say "nothing to do: there are no containers here that would need SELinux labels" ;;
  *) bad_argument "unknown verb '$1'" ;;
esac
