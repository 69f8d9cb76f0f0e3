#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A host file of two hosts with two ranks each, by the command of the documentation; and hosts that do not see the same files
# or are not alike: hosts.sh MSN SOURCE MPIRUN...
# shellcheck source=tests/train/common.sh
. "$(dirname "$0")/common.sh" "$@"
# shellcheck source=tests/train/two_hosts.sh
. "$(dirname "$0")/two_hosts.sh"
limit_s=30
export OMPI_MCA_odls_base_sigkill_timeout=0  # Do not give ranks seconds to end whose job has failed.

cd "$work" || exit 1
mkdir configs runs
cp "$config" configs/tiny.toml
host_file() { # SLOTS SLOTS: of the two hosts
  printf '%s slots=%s\n' "${addresses[0]}" "$1" "${addresses[1]}" "$2" >hosts
}
network=(--mca plm_rsh_agent "$agent" --mca btl_tcp_if_include cable --mca oob_tcp_if_include cable)
printf '"%s", ' "${network[@]}" | sed 's/^/[mpirun]\noptions = [/; s/$/]\n/' >site.toml
pack_tiny

launch=("${on_first_host[@]}" "$source_dir/launch/msn-launch" --scheduler mpirun --nodes 2 --ranks-per-node 2 --hostfile hosts
  --site site.toml --msn "$msn" --)
train=("${on_first_host[@]}" "${mpirun_template[0]}" --hostfile hosts -n 4 --bind-to none "${network[@]}" "$msn" train)
run=(configs/tiny.toml "${tiny[@]}" --data data --max-steps 4)

refusal='^(msn|msn-launch|run-job): error'

# Rank 0's configuration is that of all: the other host need not see it.
host_file 2 2
mounts_of 1 "mount -t tmpfs none '$work/configs'"
expect "two ranks on each of two hosts" 0 'done after step 4 ' "${launch[@]}" "${run[@]}" --run runs/hosts
mounts_of 1
expect_lines 1 '^run-job: ended with 0: done$'
for rank in 0 1 2 3; do
  expect_lines 1 "^.* info $rank +${hosts[rank / 2]} +cpu "
done
expect_lines 0 'different numbers of ranks'
use_ranks 4
expect "four ranks on one host" 0 'done after step 4 ' "${mpirun[@]}" "$msn" train "${run[@]}" --run runs/one
cmp runs/{hosts,one}/checkpoints/step-00000004/state-00000-of-00001.h5 || complain "the states differ"

host_file 3 1
refused "fewer slots than ranks" 2 "${addresses[1]} has 1 slot for 2 ranks a node \\(hosts\\): every node gets equally many" \
  "${launch[@]}" "${run[@]}" --run runs/slots
[ ! -e runs/slots ] || complain "something was written"
expect "three ranks and one" 0 'done after step 4 ' "${train[@]}" "${run[@]}" --run runs/unequal
expect_lines 1 " warning hosts have different numbers of ranks, 3 on ${hosts[0]} and 1 on ${hosts[1]}: "
host_file 2 2

mounts_of 0 "mount -t tmpfs none '$work/configs'"
refused "rank 0 does not see the configuration" 78 \
  "^msn: error: cannot open: No such file or directory \\($work/configs/tiny.toml, host ${hosts[0]}\\): give the path of a conf" \
  "${train[@]}" "${run[@]}" --run runs/none
mounts_of 0
mounts_of 1 "mount -t tmpfs none '$work/data'"
refused "a host does not see the data" 74 \
  "^msn: error: the data set that rank 0 has is not on this host \\($work/data, rank 2 of 4, host ${hosts[1]}\\): put it on a file" \
  "${train[@]}" "${run[@]}" --run runs/none
[ ! -e runs/none ] || complain "a run folder was made"
mounts_of 1 "mount -t tmpfs none '$work/runs'"
refused "a host does not see the run folder" 74 \
  "^msn: error: there is no such folder \\($work/runs/hidden, rank 2 of 4, host ${hosts[1]}\\): name one .* that all hosts share" \
  "${train[@]}" "${run[@]}" --run runs/hidden
read_only="mount --bind '$work/runs' '$work/runs' && mount -o remount,ro,bind '$work/runs'"
mounts_of 1 "$read_only"
refused "a host may not write to the run folder" 74 \
  "^msn: error: the folder cannot be written to: .*Read-only file system \\(runs/hosts/.*, rank 2 of 4, host ${hosts[1]}\\): name" \
  "${train[@]}" "${run[@]}" --run runs/hosts
mounts_of 1
mounts_of 0 "$read_only"
refused "the run folder cannot be made where the job is submitted" 2 \
  '^msn-launch: error: cannot make the run folder: Read-only file system \(runs/new\): give a folder where you may write' \
  "${launch[@]}" "${run[@]}" --run runs/new
refused "the run folder cannot be written to where the job is submitted" 2 \
  '^msn-launch: error: runs/hosts is no folder that you may write to' "${launch[@]}" "${run[@]}" --run runs/hosts
mounts_of 0
case_name="no marks are left in the run folders"
marks=$(find runs -name '.msn-*')
[ -z "$marks" ] || complain "$marks"
finish
