# SPDX-License-Identifier: Apache-2.0
"""The text of a job script: pure functions. The lines after the settings are those of launch/templates."""
from __future__ import annotations

import re
from dataclasses import dataclass
from shlex import quote

from .site import Site

END_OF_SETTINGS = "# ---- end of settings ----\n"
SCRIPT = "job.sh"


@dataclass(frozen=True)
class Job:
    scheduler: str
    name: str
    nodes: int
    ranks: int  # Of each node.
    cores: int  # Of each rank; 0: not said, which only mpirun takes.
    gpus: int  # Of each node.
    seconds: int  # 0: the scheduler's default.
    warn: int  # Seconds before the end.
    requeue: bool
    array: int  # Jobs of a chain; 0: one job.
    max_fruitless: int  # -1: the default of run-job.
    hostfile: str
    directory: str  # Where the command was given.
    launch: str
    run: str  # The folder of the job's script and logs: of a training that of the run.
    program: list[str]
    arguments: list[str]  # Of msn, the command first.
    site: Site
    once: bool = False  # No training: it has no lives, writes no checkpoint, and nobody warns it.


def template_of(job: Job) -> str:
    return "slurm-array.sh" if job.scheduler == "slurm" and job.array else job.scheduler + ".sh"


def clock(seconds: int) -> str:
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"


def minutes(seconds: int) -> int:
    return -(-seconds // 60)


def uses_srun(job: Job) -> bool:
    return job.scheduler == "slurm" and job.site.mpi != "mpirun"


def slurm_directives(job: Job) -> list[str]:
    lines = [f"--job-name={job.name}", f"--output=job-{'%A' if job.array else '%j'}.log", "--open-mode=append",
             f"--nodes={job.nodes}", f"--ntasks-per-node={job.ranks}", f"--cpus-per-task={job.cores}"]
    if job.gpus:
        lines.append(f"--gpus-per-node={job.gpus}")
    if job.seconds:
        lines.append(f"--time={clock(job.seconds)}")
    if not job.once:  # srun's ranks get it from Slurm; mpirun's only from the job script, and it must reach that one alone.
        lines.append(f"--signal={'' if uses_srun(job) else 'B:'}USR2@{job.warn}")
    if job.requeue:
        lines.append("--requeue")
    if job.array:
        lines.append(f"--array=1-{job.array}%1")
    for option in ("account", "partition", "qos"):
        if getattr(job.site, option):
            lines.append(f"--{option}={getattr(job.site, option)}")
    return lines


def pbs_directives(job: Job) -> list[str]:
    chunk = f"select={job.nodes}:ncpus={job.ranks * job.cores}:mpiprocs={job.ranks}"
    lines = [f"-N {job.name}", "-j oe", f"-l {chunk}" + (f":ngpus={job.gpus}" if job.gpus else ""), "-l place=scatter"]
    if job.seconds:
        lines.append(f"-l walltime={clock(job.seconds)}")
    if job.requeue:
        lines.append("-r y")
    if job.array:
        lines.append(f"-J 1-{job.array}%1")
    if job.site.account:
        lines.append(f"-A {job.site.account}")
    if job.site.queue:
        lines.append(f"-q {job.site.queue}")
    return lines


def lsf_directives(job: Job) -> list[str]:
    lines = [f'-J "{job.name}[1-{job.array}]%1"' if job.array else f"-J {job.name}", "-o job-%J.log",
             f"-n {job.nodes * job.ranks}", f'-R "span[ptile={job.ranks}]"', f'-R "affinity[core({job.cores})]"']
    if job.gpus:
        lines.append(f'-gpu "num={job.gpus}:mode=shared"')
    if job.seconds:
        limit = minutes(job.seconds)
        lines.append(f"-W {limit // 60}:{limit % 60:02d}")
        if not job.once:
            lines += ["-wa USR2", f"-wt {minutes(job.warn)}"]
    if job.requeue:
        lines += ["-r", "-Q 85"]
    if job.site.account:
        lines.append(f"-P {job.site.account}")
    if job.site.queue:
        lines.append(f"-q {job.site.queue}")
    return lines


def flux_directives(job: Job) -> list[str]:
    # A slot is a node: GPUs are asked for by node, and flux run shares out the cores.
    lines = [f"--job-name={job.name}", "--output=job-{{id}}.log", f"--nodes={job.nodes}", f"--nslots={job.nodes}",
             f"--cores-per-slot={job.ranks * job.cores}"]
    if job.gpus:
        lines.append(f"--gpus-per-slot={job.gpus}")
    if job.seconds:
        lines.append(f"--time-limit={job.seconds}s")
        if not job.once:
            lines.append(f"--signal=SIGUSR2@{job.warn}s")
    if job.site.account:
        lines.append(f"--bank={job.site.account}")
    if job.site.queue:
        lines.append(f"--queue={job.site.queue}")
    return lines


DIRECTIVES = {
    "slurm": ("#SBATCH ", slurm_directives),
    "pbs": ("#PBS ", pbs_directives),
    "lsf": ("#BSUB ", lsf_directives),
    "flux": ("# flux: ", flux_directives),
}


def start_words(job: Job) -> list[str]:
    """What starts the ranks."""
    site = job.site
    if uses_srun(job):
        words = ["srun", f"--mpi={site.srun_mpi}", "--kill-on-bad-exit=1", f"--cpus-per-task={job.cores}", "--cpu-bind=cores"]
        return words + (["--gpu-bind=none"] if job.gpus else []) + site.srun_options
    if job.scheduler == "flux":
        words = ["flux", "run", f"--nodes={job.nodes}", f"--tasks-per-node={job.ranks}",
                 f"--cores={job.nodes * job.ranks * job.cores}"]
        if job.gpus:
            words.append(f"--gpus-per-node={job.gpus}")
        words += ["-o", "cpu-affinity=per-task"] + (["-o", "gpu-affinity=off"] if job.gpus else [])
        return words + site.flux_options
    words = ["mpirun", "-n", str(job.nodes * job.ranks)]
    if job.hostfile:
        words += ["--hostfile", job.hostfile]
    where = f"ppr:{job.ranks}:node"
    if job.cores:
        words += ["--map-by", f"{where}:PE={job.cores}", "--bind-to", "core"]
    else:
        words += ["--map-by", where, "--bind-to", "none" if job.ranks == 1 else "numa"]
    for name in site.environment:
        words += ["-x", name]
    return words + site.mpirun_options


def options_of_run_job(job: Job) -> list[str]:
    words = (["--once"] if job.once else []) + (["--requeue"] if job.requeue else []) + (["--chain"] if job.array else [])
    return words + (["--max-fruitless", str(job.max_fruitless)] if job.max_fruitless >= 0 else [])


def array_line(name: str, words: list[str]) -> str:
    return f"{name}=({' '.join(quote(word) for word in words)})"


def settings(job: Job) -> list[str]:
    lines = []
    if job.seconds and job.scheduler != "slurm" and not job.once:  # Slurm tells the end exactly.
        lines.append(f"MSN_JOB_END=$(($(date +%s) + {max(job.seconds - 60, 1)})) && export MSN_JOB_END")
    lines += job.site.prologue
    if job.site.modules:
        lines.append(f"module load {' '.join(quote(name) for name in job.site.modules)} || exit 2")
    lines += [f"export {name}={quote(value)}" for name, value in job.site.environment.items()]
    lines += [f"directory={quote(job.directory)}", f"launch={quote(job.launch)}", f"run={quote(job.run)}",
              array_line("start", start_words(job)), array_line("program", job.program), array_line("arguments", job.arguments),
              array_line("options", options_of_run_job(job))]
    return lines


def script(job: Job, template: str) -> str:
    """The job script; `template` is the text of launch/templates/TEMPLATE."""
    head = ["#!/usr/bin/env bash", f"# Written by msn-launch. Again, from the folder of this file: {submission_text(job)}"]
    if job.scheduler in DIRECTIVES:
        prefix, directives = DIRECTIVES[job.scheduler]
        head += [prefix + line for line in directives(job) + job.site.directives]
    return "\n".join(head + [""] + settings(job)) + "\n" + template[template.index(END_OF_SETTINGS):]


def submission(job: Job) -> list[str]:
    """The command, in the run's folder; bsub reads the script from its standard input."""
    return {
        "slurm": ["sbatch", "--parsable", SCRIPT],
        "pbs": ["qsub", SCRIPT],
        "lsf": ["bsub"],
        "flux": ["flux", "batch", SCRIPT],
        "mpirun": ["bash", SCRIPT],
    }[job.scheduler]


def submission_text(job: Job) -> str:
    return " ".join(submission(job)) + (f" < {SCRIPT}" if job.scheduler == "lsf" else "")


def job_id(scheduler: str, output: str) -> str:
    """The id in what the submission printed; empty if there is none."""
    if scheduler == "lsf":
        found = re.search(r"Job <([^>]+)>", output)
        return found.group(1) if found else ""
    words = output.split()
    return words[-1].split(";")[0] if words else ""
