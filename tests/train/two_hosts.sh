# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Two hosts, played by two network namespaces with a cable between them; sourced after common.sh by tests that need them.
# Needs root and iproute2; ends the test with 125, which CTest counts as skipped, where it may not make namespaces.
#
# Sets hosts (their names), addresses, on_first_host (an array: runs a command there) and agent (what mpirun starts instead
# of ssh). Each host has mounts of its own: what mounts_of says for it.

hosts=("msn-a-$$" "msn-b-$$")
addresses=(10.77.0.1 10.77.0.2)
unplug_hosts() {
  local host
  for host in "${hosts[@]}"; do
    # shellcheck disable=SC2046
    kill -9 $(ip netns pids "$host" 2>/dev/null) 2>/dev/null
    ip netns delete "$host" 2>/dev/null
  done
}
# shellcheck disable=SC2154  # of common.sh
trap 'unplug_hosts; rm -rf "$work" "$shared_memory"' EXIT

if ! { ip netns add "${hosts[0]}" && ip netns add "${hosts[1]}" && unshare --uts true &&
  ip -n "${hosts[0]}" link add cable type veth peer name cable netns "${hosts[1]}"; } 2>"$work/err"; then
  echo "SKIPPED: tests on two hosts need root, iproute2 and the right to make network namespaces:"
  sed 's/^/    | /' "$work/err"
  exit 125
fi
for i in 0 1; do
  ip -n "${hosts[i]}" address add "${addresses[i]}/24" dev cable
  ip -n "${hosts[i]}" link set lo up
  ip -n "${hosts[i]}" link set cable up
done

# mounts_of 0|1 [COMMAND]: what the host mounts for itself before it runs anything, with no one else seeing it.
mounts_of() {
  echo "${2:-}" >"$work/mounts-of-${hosts[$1]}"
}
mounts_of 0
mounts_of 1
# `ip netns exec` gives each command mounts of its own; `hostname` is that of the UTS namespace.
# shellcheck disable=SC2016  # for sh
as_host='hostname "$1"; . "$2/mounts-of-$1"; shift 2; exec "$@"'
# shellcheck disable=SC2034
on_first_host=(ip netns exec "${hosts[0]}" unshare --uts sh -c "$as_host" "$work/a" "${hosts[0]}" "$work")
agent=$work/agent
cat >"$agent" <<END
#!/bin/sh
shift
exec ip netns exec ${hosts[1]} unshare --uts sh -c '$as_host' $work/b ${hosts[1]} $work sh -c "\$*"
END
chmod +x "$agent"
