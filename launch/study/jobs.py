# SPDX-License-Identifier: Apache-2.0
"""The jobs of a study: each measures once, in a folder of its own, started by msn-launch."""
from __future__ import annotations

import ctypes
import os
import shlex
import signal
import subprocess
import sys
from dataclasses import dataclass

from scheduler.refusal import Refusal

from . import results
from . import sweep as sweeps

NOTES = "run-job.txt"  # Of run-job, at the end of the job.
SUBMITTED = "submitted.txt"  # The scheduler's id.
LOG = "log.txt"  # Of what is started here and now.


@dataclass(frozen=True)
class Job:
    folder: str
    point: sweeps.Point | None  # None: sums over so many ranks.
    ranks: int

    @property
    def result(self) -> str:
        return os.path.join(self.folder, results.RESULT)


@dataclass(frozen=True)
class Launch:
    """How jobs are started."""

    msn_launch: str
    options: list[str]  # Of msn-launch, equal for all jobs.
    here: bool  # By mpirun, one after the other; else a scheduler has them.
    sum_max: str  # Largest message of the sums over ranks.


def jobs_of(folder: str, settings: sweeps.Settings, sweep: sweeps.Sweep) -> list[Job]:
    """All, in the order in which they are started: every point once before any is repeated, so that what drifts with time
    is not taken for what differs between points."""
    runs = os.path.join(folder, "runs")
    found = [Job(os.path.join(runs, f"sums/ranks-{ranks:04d}"), None, ranks) for ranks in sweep.ranks if ranks > 1]
    for repeat in range(1, sweep.repeats + 1):
        found += [Job(os.path.join(runs, point.folder, f"job-{repeat}"), point, point.ranks)
                  for point in sweeps.points(settings, sweep)]
    return found


def config_of(folder: str, config: str) -> str:
    return os.path.join(folder, "configs", config + ".toml")


def sets_of(settings: sweeps.Settings, point: sweeps.Point) -> list[str]:
    """--set options, the same for msn bench and msn plan."""
    threads = [] if settings.gpus_per_node else [f"runtime.threads={settings.cpus_per_rank}"]
    return [word for value in [*settings.sets, *point.model.values, *threads] for word in ("--set", value)]


def command(job: Job, folder: str, settings: sweeps.Settings, launch: Launch) -> list[str]:
    """What starts the job, or submits it."""
    nodes, ranks = sweeps.nodes_of(settings, job.ranks)
    gpus = min(ranks, settings.gpus_per_node)
    words = [sys.executable, launch.msn_launch, "--nodes", str(nodes), "--ranks-per-node", str(ranks), "--cpus-per-rank",
             str(settings.cpus_per_rank), *(["--gpus-per-node", str(gpus)] if gpus else []), *launch.options, "--folder",
             job.folder]
    device = ["--device", "cuda"] if gpus else []
    if job.point is None:
        return [*words, "--command", "bench allreduce", "--", "--max", launch.sum_max, *device, "--output", job.result]
    data = [] if job.point.input == sweeps.SYNTHETIC else ["--data", job.point.input]
    return [*words, "--command", "bench step", "--", config_of(folder, job.point.model.config),
            *sets_of(settings, job.point), *data, *device, "--batch", str(job.point.batch), "--steps", str(settings.steps),
            "--warm-up", str(settings.warm_up), "--output", job.result]


def state(job: Job) -> str:
    """done; failed: it ended without a result; submitted: to a scheduler, and not ended so far as is known; or new."""
    if os.path.exists(job.result):
        return "done"
    if os.path.exists(os.path.join(job.folder, NOTES)):
        return "failed"
    return "submitted" if os.path.exists(os.path.join(job.folder, SUBMITTED)) else "new"


def code_of(job: Job) -> int:
    """That the job ended with, by run-job's note."""
    try:
        with open(os.path.join(job.folder, NOTES), encoding="utf-8") as file:
            return int(file.read().split()[1])
    except (OSError, ValueError, IndexError):
        return 1


def end_with_parent() -> None:
    """A study that is killed takes what it has started along: run-job ends its ranks when it gets TERM."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def start(job: Job, words: list[str], here: bool) -> int:
    """Runs the job, or submits it; returns the code of that. Whatever was left of an earlier try is forgotten."""
    try:
        os.makedirs(job.folder, exist_ok=True)
        for name in (NOTES, SUBMITTED):
            if os.path.exists(os.path.join(job.folder, name)):
                os.remove(os.path.join(job.folder, name))
        log = open(os.path.join(job.folder, LOG), "w", encoding="utf-8")
    except OSError as error:
        raise Refusal(f"cannot write: {error.strerror}", job.folder, "look at the rights and the free space") from None
    with log:
        log.write(shlex.join(words) + "\n")
        log.flush()
        child = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log if here else subprocess.PIPE, stderr=log,
                                 preexec_fn=end_with_parent)
        try:
            output, _ = child.communicate()
        except BaseException:  # Ctrl-C, or TERM by main()'s handler.
            child.terminate()
            child.wait()
            raise
    if child.returncode == 0 and not here:
        results.write(os.path.join(job.folder, SUBMITTED), output.decode(errors="replace"))
    return child.returncode


def last_error(job: Job) -> str:
    """The line in its logs, the scheduler's too, that says most."""
    try:
        names = [name for name in os.listdir(job.folder) if name == LOG or name.startswith("job-") and name.endswith(".log")]
        paths = sorted((os.path.join(job.folder, name) for name in names), key=os.path.getmtime)
        lines = []
        for path in paths:
            with open(path, encoding="utf-8", errors="replace") as file:
                lines += file.read().splitlines()
    except OSError:
        return ""
    errors = [line for line in lines if "error:" in line]
    return (errors or lines or [""])[-1]
