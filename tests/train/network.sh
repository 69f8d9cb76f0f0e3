#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Two hosts, played by two network namespaces with a cable between them that is unplugged: network.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"

# shellcheck source=tests/train/two_hosts.sh
. "$(dirname "$0")/two_hosts.sh"

# The hosts' names differ, so that Open MPI uses no shared memory between them.
mpirun=("${on_first_host[@]}" "${mpirun_template[0]}" --host "${addresses[0]},${addresses[1]}" -n 2
  --mca plm_rsh_agent "$agent"
  --mca btl 'tcp,self' --mca btl_tcp_if_include cable --mca oob_tcp_if_include cable)
steps=60
run=("${mpirun[@]}" "$msn" train "$config" "${tiny[@]}" "${data[@]}" --set train.epochs=100 --max-steps "$steps")

# unplug RUN SECONDS: once the run is under way; plugged in again after so long, unless that is "never".
unplug() {
  until grep -qs '"step":10,' "$work/$1/metrics.jsonl"; do sleep 0.05; done
  ip -n "${hosts[0]}" link set cable down
  date +%s >"$work/cut-at"
  [ "$2" != never ] || return 0
  sleep "$2"
  ip -n "${hosts[0]}" link set cable up
}

# nobody_left: no process is left on either host.
nobody_left() {
  local host left
  for host in "${hosts[@]}"; do
    left=$(ip netns pids "$host")
    # shellcheck disable=SC2086
    [ -z "$left" ] || complain "left on $host: $(ps -o pid=,args= -p ${left//$'\n'/,} | cut -c1-150)"
  done
}

limit_s=30
expect "the self-test" 0 '^mpi: fit' "${mpirun[@]}" "$msn" --self-test mpi --run "$work"
expect_lines 1 '^  ranks +2 ranks on 2 hosts, 1 each$'
expect_lines 1 '^  messages +right;'
expect_lines 0 'shared memory'
expect_lines 1 "^  clocks +apart by at most [0-9.]+ (us|ms) .*host ${hosts[1]}"
expect "the self-test of files" 0 '^hdf5: fit' "${mpirun[@]}" "$msn" --self-test hdf5 --run "$work"
pack_tiny
expect "undisturbed" 0 "done after step $steps" "${run[@]}" --run "$work/undisturbed"
expect_lines 1 "^.* info 1 +${hosts[1]} +cpu "
grep -q "\"host\": \"${hosts[1]}\"" "$work/undisturbed/run.json" || complain "the second host is not in run.json"

unplug unplugged 5 &
expect "unplugged for 5 s" 0 "done after step $steps" "${run[@]}" --run "$work/unplugged"
wait
nobody_left
file=checkpoints/step-$(printf %08d "$steps")/state-00000-of-00001.h5
cmp "$work/undisturbed/$file" "$work/unplugged/$file" || complain "the states differ"

# For good. The ranks are ended by their watchdogs, with 124. Open MPI's daemons go on until TCP gives their connections
# up, which takes it 15 minutes unless the machine says otherwise (docs/clusters.md); where mpirun loses the other daemon
# before a rank has ended the job, it is mpirun's own code, 1. Here TCP has about 3 s, so that they end in time too.
watchdog=4
for host in "${hosts[@]}"; do
  ip netns exec "$host" sh -c 'echo 3 >/proc/sys/net/ipv4/tcp_retries2'
done
# shellcheck disable=SC2016  # for sh
by_watchdog_or_mpirun=(sh -c '"$@"; code=$?; [ $code -ne 1 ] || code=124; exit $code' "$work/either")
unplug cut never &
expect "unplugged for good" 124 "the job ends at $watchdog s" \
  "${by_watchdog_or_mpirun[@]}" "${run[@]}" --set runtime.watchdog=$watchdog --set checkpoint.every_steps=1000 \
  --run "$work/cut"
took=$(($(date +%s) - $(cat "$work/cut-at")))
wait
echo "ended $took s after the cable was unplugged"
[ "$took" -le $((watchdog + 10)) ] || complain "ended $took s after the cable was unplugged"
nobody_left
# The rank that speaks may be the one whose words mpirun no longer hears: both hosts have the folder of the run. Where TCP
# is first the reason is Open MPI's.
grep -Eq "^msn: error: .*\\(runtime.watchdog = $watchdog s\\)" "$work/cut/flight"/stall-*.txt ||
  grep -Eq "Connection timed out|one or more daemons" "$work/out" "$work/err" || complain "no reason"
finish
