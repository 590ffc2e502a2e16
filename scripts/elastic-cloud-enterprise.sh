#!/usr/bin/env bash
# Takes the place of ECE's installer script: finds ece-agent and calls it with the same verbs and
# flags. A roles token given on the command line is handed on through a pipe, not as an argument.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

find_binary() {
  local candidate
  for candidate in "${ECE_AGENT_BINARY:-}" "$here/ece-agent" "$(command -v ece-agent || true)"; do
    if [[ -n $candidate && -x $candidate && ! -d $candidate ]]; then
      printf '%s' "$candidate"
      return
    fi
  done
  printf '%s\n' "error: ece-agent was not found beside this script, in PATH or as ECE_AGENT_BINARY" >&2
  exit 1
}

not_here_yet() {
  printf '%s\n' "error: '$1' is not served by this version of ece-agent; the verb is: install" >&2
  exit 3
}

verb=${1:-install}
case $verb in
  install) shift || true ;;
  -h | --help | help) exec "$(find_binary)" install --help ;;
  --*) verb=install ;;
  upgrade | reset-adminconsole-password | add-stack-version | configure-selinux-settings)
    not_here_yet "$verb" ;;
  *)
    printf '%s\n' "error: unknown verb '$verb'; the verb is: install" >&2
    exit 3 ;;
esac

token='' has_token='' arguments=()
while (($#)); do
  case $1 in
    --roles-token)
      (($# > 1)) || { printf '%s\n' "error: --roles-token needs a value" >&2; exit 3; }
      token=$2 has_token=yes
      shift 2 ;;
    --roles-token=*)
      token=${1#*=} has_token=yes
      shift ;;
    *)
      arguments+=("$1")
      shift ;;
  esac
done

binary=$(find_binary)
if [[ $has_token ]]; then
  exec {token_fd}< <(printf '%s\n' "$token")
  exec "$binary" "$verb" "${arguments[@]}" --roles-token-file "/dev/fd/$token_fd"
fi
exec "$binary" "$verb" "${arguments[@]}"
