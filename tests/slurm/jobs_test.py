#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Trainings as jobs of a real Slurm, submitted as users submit them, by msn-launch: that they train on one node and on
two, by srun and by mpirun; that they come through warnings, limits, preemption and lost nodes to the very state of a run
that nobody disturbed; and that they stop where going on makes no sense.

  jobs_test.py MSN SOURCE [SCENARIO...]

The scenarios run side by side: they mostly wait. Ends with 125 where no Slurm can be started."""
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor

sys.dont_write_bytecode = True
import cluster
from cluster import await_that, output_of

MSN, SOURCE = (os.path.abspath(path) for path in sys.argv[1:3])
STEPS = 60
TINY = """\
train.global_batch=8 train.epochs=100 model.width=32 model.depth=2 model.heads=2 model.head_hidden=32 model.head_out=16
model.prototypes=16 views.focal=2 checkpoint.every_steps=10 checkpoint.keep=9 optim.warmup_epochs=1
runtime.threads=1"""
PARTITIONS = """\
PartitionName=normal Nodes=n[1-14] Default=YES
PartitionName=preemptible Nodes=n15 PriorityTier=1 PreemptMode=REQUEUE GraceTime=30
PartitionName=urgent Nodes=n15 PriorityTier=2
PartitionName=lost Nodes=n[16-20]
"""
SLOW = "export MSN_TEST_INJECT=data:0:sleep-500"  # A step takes a second.
ENDED = "COMPLETED|FAILED|TIMEOUT|CANCELLED|NODE_FAIL|PREEMPTED"


def training(folder):
    """What msn train is given for a run in `folder`."""
    sets = [word for setting in TINY.split() for word in ("--set", setting)]
    return [os.path.join(SOURCE, "configs", "quickstart.toml"), "--data", data, "--run", folder, *sets, "--max-steps", str(STEPS)]


class Run:
    """A training: its run folder, and the jobs that are submitted for it."""

    def __init__(self, name):
        self.name = name
        self.folder = os.path.join(work, "runs", name)
        self.identity = ""

    def submit(self, *options, nodes=1, ranks=2, mpi="srun", site="", train=(), prologue=()):
        """By msn-launch, with the site's file made of `mpi`, `prologue` and `site`."""
        path = os.path.join(work, self.name + ".toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(f'mpi = "{mpi}"\nprologue = {json.dumps(list(prologue))}\n{site}\n')
        launch = [os.path.join(SOURCE, "launch", "msn-launch"), "--scheduler", "slurm", "--site", path, "--msn", MSN, "--nodes",
                  str(nodes), "--ranks-per-node", str(ranks), "--cpus-per-rank", "1", "--time", "20m", *options, "--",
                  *training(self.folder), *train]
        self.identity = output_of(sys.executable, *launch).strip()

    def told_by(self, name):
        """A JSON file of the run folder."""
        with open(os.path.join(self.folder, name), encoding="utf-8") as file:
            return json.load(file)

    def log(self):
        try:
            with open(os.path.join(self.folder, f"job-{self.identity}.log"), encoding="utf-8", errors="replace") as file:
                return file.read()
        except OSError:
            return ""

    def steps(self):
        """Lines of metrics: one a step."""
        try:
            with open(os.path.join(self.folder, "metrics.jsonl"), encoding="utf-8") as file:
                return sum(1 for _ in file)
        except OSError:
            return 0

    def await_steps(self, count):
        await_that(lambda: self.steps() >= count, 90, f"step {count}")

    def ends(self, state, code="0:0", seconds=120):
        job = slurm.await_state(self.identity, ENDED, seconds)
        check(job["JobState"] == state, f"the job is {job['JobState']} ({job['ExitCode']}), not {state}")
        check(code is None or job["ExitCode"] == code, f"the job's code is {job['ExitCode']}, not {code}")
        return job

    def says(self, text, times):
        count = self.log().count(text)
        check(count == times, f"the log says {text!r} {count} times")

    def is_whole(self):
        """The run is done, in the state of one that nobody disturbed, and each step was made once."""
        check(self.steps() == STEPS, f"{self.steps()} lines of metrics, not one a step")
        check(state_of(self.folder) == state_of(undisturbed), "the final state is not that of the undisturbed run")

    def ends_whole(self):
        job = self.ends("COMPLETED")
        self.is_whole()
        return job


def check(right, complaint):
    if not right:
        raise AssertionError(complaint)


def state_of(folder):
    with open(os.path.join(folder, f"checkpoints/step-{STEPS:08d}/state-00000-of-00001.h5"), "rb") as file:
        return file.read()


# ---- warned in time ----


def first_life_slow():
    """The life that is to be disturbed would not be done for a long time; those after it are."""
    return ['[ "${SLURM_RESTART_COUNT:-0}" -gt 0 ] || ' + SLOW]


def warned(mpi, nodes):
    """By --signal. The end of the job comes near by the administrator's hand, lest the test lasts minutes."""
    run = Run(f"warned-by-{mpi}-on-{nodes}")
    run.submit("--requeue", "--warn", "600", nodes=nodes, ranks=2 // nodes, mpi=mpi, prologue=first_life_slow(),
               train=["--set", "runtime.job_end=false"])
    run.await_steps(3)
    output_of("scontrol", "update", f"JobId={run.identity}", "TimeLimit=9")
    await_that(lambda: slurm.job(run.identity)["Restarts"] == "1", 90, "queued again")
    output_of("scontrol", "update", f"JobId={run.identity}", "TimeLimit=20")
    job = run.ends_whole()
    check((job["NumNodes"], job["Restarts"]) == (str(nodes), "1"), f"{job['NumNodes']} nodes, {job['Restarts']} restarts")
    run.says("stopped: by SIGUSR2", 1)
    run.says("ended with 75: queued again", 1)
    for life in run.told_by("run.json")["lives"]:
        hosts = {rank["host"] for rank in life["ranks"]}
        check(len(hosts) == nodes and hosts <= set(slurm.nodes), f"ranks ran on {hosts}")


def warned_by_srun_on_one_node():
    warned("srun", 1)


def warned_by_srun_on_two_nodes():
    warned("srun", 2)


def warned_by_mpirun_on_one_node():
    warned("mpirun", 1)


def warned_by_mpirun_on_two_nodes():
    warned("mpirun", 2)


def end_of_the_job():
    """Known to msn, which stops in time without a warning."""
    run = Run("end-of-the-job")
    run.submit("--requeue", "--time", "1m", "--warn", "1", prologue=first_life_slow())
    job = run.ends_whole()
    check(job["Restarts"] == "1", f"{job['Restarts']} restarts")
    run.says("stopped: by the job's end", 1)


def time_limit():
    """In a step that does not end: the job is killed. Whoever submits it again goes on from the last checkpoint."""
    run = Run("time-limit")
    run.submit("--requeue", "--time", "1m", "--warn", "10", prologue=["export MSN_TEST_INJECT=data-15:0:sleep-1000000"],
               train=["--set", "runtime.job_end=false"])
    run.ends("TIMEOUT", code=None)
    check(run.steps() == 14, f"{run.steps()} steps")
    run.submit()
    run.ends_whole()


def preempted():
    run = Run("preempted")
    run.submit("--requeue", prologue=first_life_slow(), site='partition = "preemptible"')
    run.await_steps(3)
    urgent = output_of("sbatch", "--parsable", "--partition=urgent", "--ntasks=2", "--output=/dev/null", "--wrap",
                       "sleep 2").strip()
    slurm.await_state(urgent, "COMPLETED", 60)
    job = run.ends_whole()
    check(job["Restarts"] == "1", f"{job['Restarts']} restarts")
    run.says("stopped: by SIGUSR2", 1)


def chain():
    """Three jobs of an array, of which one runs at a time. It needs no right to requeue."""
    run = Run("chain")
    run.submit("--array", "3", prologue=['[ "$SLURM_ARRAY_TASK_ID" = 3 ] || ' + SLOW])
    for task, steps in (("1", 12), ("2", 20)):
        run.await_steps(steps)
        running = output_of("squeue", "-h", "-r", "-t", "RUNNING", "-j", run.identity, "-o", "%K %A").split()
        check(len(running) == 2 and running[0] == task, f"{running} instead of {task} runs")
        # Its code tells nothing: it is not 0 even where all ranks have got the signal.
        subprocess.run(["scancel", "--signal=USR2", running[1]], timeout=60, check=False)
    await_that(lambda: not output_of("squeue", "-h", "-t", "PENDING,RUNNING,COMPLETING", "-j", run.identity), 60, "the end")
    run.is_whole()
    run.says("stopped: by SIGUSR2", 2)


# ---- ended by somebody ----


def cancelled():
    """By scancel: a checkpoint, and no other life; whoever submits it again goes on."""
    run = Run("cancelled")
    run.submit("--requeue", prologue=[SLOW])
    run.await_steps(3)
    output_of("scancel", run.identity)
    run.ends("CANCELLED", code=None, seconds=30)
    status = run.told_by("status.json")
    check(status["exit_code"] == 75, f"status.json: {status}")
    stopped_after = run.steps()
    check(os.path.isdir(os.path.join(run.folder, f"checkpoints/step-{stopped_after:08d}")), "no checkpoint of the last step")
    run.submit()
    run.ends_whole()


# ---- lost nodes ----


def lost_node(name, nodes, cut, ghost_ends_itself):
    """Cuts the `cut`-th node of the job off. Slurm takes it for dead and starts the job again elsewhere; what runs on it
    lives on, a ghost, that must not publish anything. Its ranks are stopped until the others have a new checkpoint, as
    ranks are whose file system hangs."""
    run = Run(name)
    run.submit("--requeue", nodes=nodes, ranks=2 // nodes, site='partition = "lost"', prologue=[
        "export MSN_TEST_LEASE=0.5:1:3 MSN_TEST_INJECT=data:0:sleep-150"], train=["--set", "runtime.watchdog=60"])
    run.await_steps(12)
    node = output_of("scontrol", "show", "hostnames", slurm.job(run.identity)["NodeList"]).split()[cut]
    slurm.plug(node, "down")
    ghost = slurm.processes_on(node, "msn")
    check(len(ghost) == 2 // nodes, f"{len(ghost)} ranks on {node}")
    for rank in ghost:
        os.kill(rank, signal.SIGSTOP)
    await_that(lambda: slurm.job(run.identity)["Restarts"] == "1", 60, "requeued")
    before = run.steps()
    slurm.await_state(run.identity, "RUNNING", 60)
    run.says("queued again", 0)  # It was Slurm's doing.
    run.await_steps(before + 12)
    for rank in ghost:
        os.kill(rank, signal.SIGCONT)
    gone = lambda: not set(ghost) & set(slurm.processes_on(node, "msn"))
    if ghost_ends_itself:
        await_that(gone, 60, "the ghost's end, cut off")
    else:
        time.sleep(2)  # It may try.
    slurm.plug(node, "up")
    await_that(gone, 120, "the ghost's end")  # Its watchdog waits for 60 s from when it goes on.
    # Slurm may end the second life too, when it hears of the first one's end; it then starts a third.
    run.ends_whole()


def lost_node_of_one():
    lost_node("lost-node-of-one", 1, 0, True)


def lost_node_of_two():
    lost_node("lost-node-of-two", 2, 1, False)  # It waits for the other node's rank, until its watchdog or Slurm ends it.


# ---- no use in going on ----


def crash_loop():
    """Each life stands still before it has a checkpoint."""
    run = Run("crash-loop")
    run.submit("--requeue", "--max-fruitless", "2", prologue=["export MSN_TEST_INJECT=forward-4:1:hang"],
               train=["--set", "runtime.watchdog=3"])
    job = run.ends("FAILED", "79:0")
    check(job["Restarts"] == "1", f"{job['Restarts']} restarts")
    run.says("ended with 124: queued again", 1)
    run.says("the last 2 lives brought no checkpoint", 1)


def bad_configuration():
    run = Run("bad-configuration")
    run.submit("--requeue", train=["--set", "train.global_batch=7"])
    job = run.ends("FAILED", "78:0")
    check(job["Restarts"] == "0", f"{job['Restarts']} restarts")
    run.says("msn: error: ", 1)


def no_pmix():
    run = Run("no-pmix")
    run.submit("--requeue", site='[srun]\nmpi = "none"')
    job = run.ends("FAILED", "2:0")
    check(job["Restarts"] == "0", f"{job['Restarts']} restarts")
    run.says("msn: error: ", 1)
    run.says("srun started 2 ranks without PMIx", 1)


# ---- what is no training ----


def scaling_study():
    """On one node and on two, each point by a job of its own; called again it collects what they have measured."""
    folder, site = (os.path.join(work, "study" + ending) for ending in ("", ".toml"))
    with open(site, "w", encoding="utf-8") as file:
        file.write('mpi = "srun"\n')
    sets = [word for setting in TINY.split() for word in ("--set", setting)]
    command = [sys.executable, os.path.join(SOURCE, "launch", "scaling-study"), folder, "--config",
               os.path.join(SOURCE, "configs", "quickstart.toml"), *sets, "--ranks", "1,2", "--batch", "2", "--repeats", "1", "--steps",
               "3", "--warm-up", "1", "--ranks-per-node", "1", "--sum-max", "64KiB", "--scheduler", "slurm", "--time", "5m", "--site",
               site, "--msn", MSN]
    first = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    check(first.returncode == 75 and first.stdout.count(": submitted\n") == 3, first.stdout + first.stderr)
    results = lambda: sum("result.json" in files for _, _, files in os.walk(folder))
    await_that(lambda: results() == 3, 120, "three results")
    last = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    check(last.returncode == 0, last.stdout + last.stderr)
    with open(os.path.join(folder, "points.csv"), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    check([(row["ranks"], row["nodes"]) for row in rows] == [("1", "1"), ("2", "2")], str(rows))
    check(rows[1]["efficiency_of_one_node"] == rows[1]["efficiency"] and float(rows[1]["step_seconds"]) > 0, str(rows))
    with open(os.path.join(folder, "runs.jsonl"), encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    for line in lines:
        hosts = line["provenance"]["hosts"]
        check(len(hosts) == line["ranks"] and {host["host"] for host in hosts} <= set(slurm.nodes), f"ranks ran on {hosts}")
        check(line["provenance"]["job"].startswith("Slurm "), line["provenance"]["job"])


# The longest first.
SCENARIOS = [lost_node_of_two, lost_node_of_one, time_limit, end_of_the_job, chain, scaling_study, warned_by_srun_on_one_node,
             warned_by_srun_on_two_nodes, warned_by_mpirun_on_one_node, warned_by_mpirun_on_two_nodes, preempted, cancelled,
             crash_loop, bad_configuration, no_pmix]
speaking = threading.Lock()


def play(scenario):
    began = time.monotonic()
    try:
        scenario()
        complaint = ""
    except BaseException as error:  # Of any kind: the others go on.
        complaint = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
    with speaking:
        print(f"{'FAIL' if complaint else 'ok  '} {scenario.__name__} ({time.monotonic() - began:.0f} s) {complaint}", flush=True)
    if complaint:
        show_log(scenario.__name__.replace("_", "-"))
    return not complaint


def show_log(name):
    for folder in (path for path in os.listdir(os.path.join(work, "runs")) if name.startswith(path)):
        for entry in sorted(os.listdir(os.path.join(work, "runs", folder))):
            if entry.startswith("job-"):
                with open(os.path.join(work, "runs", folder, entry), encoding="utf-8", errors="replace") as file:
                    print("".join(f"    | {line}" for line in file.readlines()[-300:]), flush=True)


def lift_holds_until(done):
    while not done.wait(1):
        slurm.lift_holds()


def prepare():
    """The data, and the run that nobody disturbs: two ranks, without Slurm."""
    output_of(MSN, "pack", "--input", "synthetic:shapes?images=96&size=40&seed=1", "--output", data)
    output_of("mpirun", "--oversubscribe", "-n", "2", MSN, "train", *training(undisturbed))


if __name__ == "__main__":
    cluster.enter()
    names = sys.argv[3:]
    chosen = [scenario for scenario in SCENARIOS if not names or scenario.__name__ in names]
    check(len(chosen) == (len(names) or len(SCENARIOS)), f"no such scenario among {names}")
    work = tempfile.mkdtemp(prefix="msn-slurm-", dir="/var/tmp")
    data, undisturbed = os.path.join(work, "data"), os.path.join(work, "undisturbed")
    for name in ("MSN_JOB_END", "SLURM_JOB_END_TIME", "MSN_SITE"):
        os.environ.pop(name, None)
    daemons = os.path.join(work, "slurm")
    os.mkdir(daemons)
    os.mkdir(os.path.join(work, "runs"))
    slurm = cluster.Cluster(daemons, 20, PARTITIONS, [SOURCE, os.path.dirname(MSN)])
    try:
        slurm.start()
        prepare()
        done = threading.Event()
        lifter = threading.Thread(target=lift_holds_until, args=[done])
        lifter.start()
        with ThreadPoolExecutor(len(chosen)) as pool:
            passed = list(pool.map(play, chosen))
        done.set()
        lifter.join()
    finally:
        slurm.stop()
        shutil.rmtree(work, ignore_errors=True)
    print(f"{sum(passed)} of {len(passed)} scenarios passed")
    sys.exit(0 if all(passed) else 1)
