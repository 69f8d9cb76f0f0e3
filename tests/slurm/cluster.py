# SPDX-License-Identifier: Apache-2.0
"""A Slurm on this machine alone, for tests: each of its nodes is a slurmd with a network, a host name, a /tmp and a
/dev/shm of its own, between whose hosts lies a bridge. All hosts see the other folders of this machine, as they would see
a shared file system.

Everything lives in namespaces of processes, mounts and networks (enter()), so that nothing of it is seen outside and all
of it ends with the program, however that ends. Needs root, iproute2, util-linux and Slurm's slurmctld, slurmd and
commands, of Slurm 22.05 or later (launch/setup --slurm)."""
from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

INSIDE = "MSN_TEST_SLURM_INSIDE"
NEEDED = ("slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel", "ip", "nsenter", "unshare")
SKIPPED = 125  # CTest counts it as skipped, and launch/test says so.
CONTROLLER = "10.88.0.254"
# Nodes are lost after 15 s without a sign.
SETTINGS = """\
ClusterName=msn
SlurmctldHost=control({controller})
SlurmUser=root
AuthType=auth/none
CredType=cred/none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
MpiDefault=none
SwitchType=switch/none
ReturnToService=2
KillWait=10
SlurmdTimeout=15
MinJobAge=600
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=100000
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SlurmctldParameters=preempt_send_user_signal
SlurmdParameters=config_overrides
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
NodeName=n[1-{nodes}] CPUs=2 RealMemory=500
{partitions}"""
# $1: the node's name; $2: where the old /tmp is kept; the others: folders that must be seen although they lie in /tmp.
NODE = """\
set -e
hostname "$1"
kept=$2
node=$1
shift 2
mkdir -p "$kept"
mount --bind /tmp "$kept"
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /dev/shm
for folder in "$@"; do
  mkdir -p "$folder"
  mount --bind "$kept/${folder#/tmp/}" "$folder"
done
read -r _
exec slurmd -D -N "$node"
"""


def skip(why: str):
    print(f"SKIPPED: the tests with a real Slurm {why}")
    sys.exit(SKIPPED)


def enter() -> None:
    """Starts this program again in namespaces of its own, and returns there. Ends it as skipped where that cannot be."""
    if os.environ.get(INSIDE):
        reap_children()
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        return
    missing = [name for name in NEEDED if not shutil.which(name)]
    if missing:
        skip(f"need {', '.join(missing)}: launch/setup --slurm installs what is missing")
    unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    trial = subprocess.run([*unshare, "ip", "link", "add", "msn0", "type", "bridge"], stderr=subprocess.PIPE, text=True)
    if trial.returncode != 0:
        skip("need root and the right to make namespaces: " + trial.stderr.strip())
    os.environ[INSIDE] = "1"
    os.execvp("unshare", [*unshare, sys.executable, *sys.argv])


def reap_children() -> None:
    """Goes on in a child; this one, the first process of its namespace, collects the ends of orphans."""
    child = os.fork()
    if child == 0:
        return
    while True:
        pid, status = os.wait()
        if pid == child:
            os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def await_that(condition, seconds: float, what: str):
    """Calls it until it returns something that is true, and returns that."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not within {seconds} s")
        time.sleep(0.2)


def output_of(*words: str) -> str:
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(words)} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


class Cluster:
    """Nodes are n1, n2, ... with two processors each. `folder`: of the daemons' files. `partitions`: lines of slurm.conf.
    `visible`: folders that the nodes must see."""

    def __init__(self, folder: str, nodes: int, partitions: str, visible: list[str]):
        self.folder = folder
        self.partitions = partitions
        self.nodes = [f"n{i + 1}" for i in range(nodes)]
        self.visible = [path for path in visible if path.startswith("/tmp/")]
        self.daemons: dict[str, subprocess.Popen] = {}
        self.held_since: dict[str, float] = {}

    def start(self) -> None:
        os.makedirs(os.path.join(self.folder, "state"))
        settings = os.path.join(self.folder, "slurm.conf")
        with open(settings, "w", encoding="utf-8") as file:
            file.write(SETTINGS.format(controller=CONTROLLER, folder=self.folder, nodes=len(self.nodes),
                                       partitions=self.partitions))
        with open(os.path.join(self.folder, "cgroup.conf"), "w", encoding="utf-8") as file:
            file.write("CgroupAutomount=no\n")
        hosts = os.path.join(self.folder, "hosts")
        with open(hosts, "w", encoding="utf-8") as file:
            file.write(f"127.0.0.1 localhost\n{CONTROLLER} control\n")
            file.writelines(f"10.88.0.{i + 1} {node}\n" for i, node in enumerate(self.nodes))
        os.environ["SLURM_CONF"] = settings
        for words in (["mount", "--bind", hosts, "/etc/hosts"], ["ip", "link", "set", "lo", "up"],
                      ["ip", "link", "add", "msn0", "type", "bridge"], ["ip", "address", "add", CONTROLLER + "/24", "dev", "msn0"],
                      ["ip", "link", "set", "msn0", "up"]):
            subprocess.run(words, check=True)
        self.daemons["slurmctld"] = subprocess.Popen(["unshare", "--uts", "sh", "-c", "hostname control && exec slurmctld -D -i"],
                                                     stdout=self._log("slurmctld.out"), stderr=subprocess.STDOUT)
        for i, node in enumerate(self.nodes):
            self._start_node(i, node)
        await_that(lambda: output_of("sinfo", "-h", "-t", "idle", "-o", "%D").strip() == str(len(self.nodes)), 60, "idle nodes")

    def _log(self, name: str):
        return open(os.path.join(self.folder, name), "w", encoding="utf-8")

    def _start_node(self, i: int, node: str) -> None:
        kept = os.path.join(self.folder, "tmp-" + node)
        daemon = subprocess.Popen(["unshare", "--net", "--uts", "--mount", "sh", "-c", NODE, "sh", node, kept, *self.visible],
                                  stdin=subprocess.PIPE, stdout=self._log(node + ".out"), stderr=subprocess.STDOUT, text=True)
        self.daemons[node] = daemon
        own = os.readlink("/proc/self/ns/net")
        await_that(lambda: os.readlink(f"/proc/{daemon.pid}/ns/net") != own, 10, f"a network for {node}")
        inside = ["nsenter", "-t", str(daemon.pid), "-n", "ip"]
        for words in (["ip", "link", "add", "cable-" + node, "type", "veth", "peer", "name", "eth0", "netns", str(daemon.pid)],
                      ["ip", "link", "set", "cable-" + node, "master", "msn0", "up"],
                      [*inside, "address", "add", f"10.88.0.{i + 1}/24", "dev", "eth0"],
                      [*inside, "link", "set", "eth0", "up"], [*inside, "link", "set", "lo", "up"]):
            subprocess.run(words, check=True)
        daemon.stdin.write("go\n")
        daemon.stdin.close()

    def plug(self, node: str, state: str) -> None:
        """Takes the node's cable `down`, or plugs it in again, `up`."""
        subprocess.run(["ip", "link", "set", "cable-" + node, state], check=True)

    def processes_on(self, node: str, name: str) -> list[int]:
        """Those of this name that run in the node's network."""
        network = os.readlink(f"/proc/{self.daemons[node].pid}/ns/net")
        found = []
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/comm", encoding="utf-8") as file:
                    if file.read().strip() == name and os.readlink(f"/proc/{entry}/ns/net") == network:
                        found.append(int(entry))
            except (OSError, ValueError):
                continue
        return found

    def job(self, identity: str) -> dict[str, str]:
        """What `scontrol show job` says of it."""
        fields = output_of("scontrol", "-o", "show", "job", identity).split("\n")[0].split()
        return dict(field.split("=", 1) for field in fields if "=" in field)

    def await_state(self, identity: str, states: str, seconds: float) -> dict[str, str]:
        """The job, once it is in one of the states, of which the names stand with | between them."""
        last = {}

        def reached():
            last.update(self.job(identity))
            return last if last["JobState"] in states.split("|") else None

        try:
            return await_that(reached, seconds, f"job {identity} {states}")
        except AssertionError as error:
            raise AssertionError(f"{error}; it is {last['JobState']} ({last['Reason']})") from None

    def lift_holds(self) -> None:
        """Lets jobs that are queued again start after some seconds, in which what is left of them ends. Slurm holds them back
        for two minutes."""
        now = time.monotonic()
        for line in output_of("squeue", "-h", "-t", "PENDING", "-o", "%A %r").splitlines():
            identity, reason = line.split(None, 1)
            if reason == "BeginTime" and now - self.held_since.setdefault(identity, now) > 5:
                output_of("scontrol", "update", f"JobId={identity}", "StartTime=now")
                del self.held_since[identity]

    def stop(self) -> None:
        for daemon in self.daemons.values():
            daemon.kill()
