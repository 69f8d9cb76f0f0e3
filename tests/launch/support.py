# SPDX-License-Identifier: Apache-2.0
"""What the tests of launch/ share: a folder to work in, and programs that play Slurm, PBS, LSF, Flux, MPI and msn."""
import os
import shutil
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
LAUNCH = os.path.join(SOURCE, "launch")
SCHEDULERS = ("slurm", "pbs", "lsf", "flux", "mpirun")

# Notes each call of a submission; ends with $SUBMIT_CODE.
SUBMIT = """#!/bin/sh
printf '%s\\n' "${0##*/} $*" >> "$NOTES/submitted"
[ "${0##*/}" != bsub ] || cat > "$NOTES/stdin"
[ -z "$MSN_JOB_END" ] || echo "$MSN_JOB_END" > "$NOTES/job_end"
case ${0##*/} in
  sbatch) echo '4711;cluster' ;;
  qsub) echo 4711.server ;;
  bsub) echo 'Job <4711> is submitted to queue <normal>.' ;;
  flux) echo f4711 ;;
esac
exit "${SUBMIT_CODE:-0}"
"""
# Starts one rank: what stands after its own options, which the program ends.
START = """#!/bin/sh
[ "$1" != --version ] || { echo "${0##*/} 1"; exit 0; }
printf '%s\\n' "${0##*/} $*" >> "$NOTES/started"
while [ "$1" != "$PROGRAM" ] && [ $# -gt 0 ]; do shift; done
exec "$@"
"""
FLUX = """#!/bin/sh
case $1 in
  batch | --parent) exec "$NOTES/../submit/flux" "$@" ;;
esac
""" + START.split("\n", 1)[1]
CONTAINER = """#!/bin/sh
while [ "$1" != msn ]; do shift; done
exec "$@"
"""
MSN = """#!/bin/bash
[ "$1" != --version ] || { echo "msn 0"; exit "${VERSION_CODE:-0}"; }
for word in "$@"; do printf '%s\\0' "$word"; done > "$NOTES/argv"
pwd > "$NOTES/cwd"
env > "$NOTES/environment"
folder=run
for word in "$@"; do [ "$last" != --run ] || folder=$word; last=$word; done
[ ! -d "$folder" ] || printf '{\\n  "started": "%s"\\n}\\n' "$(date +%s.%N)" > "$folder/status.json"
trap 'echo USR1 >> "$NOTES/signals"; exit 75' USR1
trap 'echo USR2 >> "$NOTES/signals"; exit 75' USR2
eval "$ACT"
"""
SCONTROL = """#!/bin/sh
echo "scontrol $*" >> "$NOTES/submitted"
[ -z "$SCONTROL_FAILS" ] || exit 1
kill -TERM "$PPID"  # As Slurm does with the job that is queued again.
"""
QRERUN = """#!/bin/sh
echo "qrerun $*" >> "$NOTES/submitted"
[ -z "$QRERUN_FAILS" ] || exit 1
kill -TERM "$PPID"
"""
SQUEUE = """#!/bin/sh
case "$*" in *%T*) echo "${STATE:-RUNNING}" ;; *) echo 2099-01-01T00:00:00 ;; esac
"""


def program(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, 0o755)


class Case(unittest.TestCase):
    """A folder WORK with fake/ (the programs), notes/ (what they were called with), and configuration and data."""

    folder = "work"

    def setUp(self):
        self.base = os.path.realpath(tempfile.mkdtemp(prefix="msn-launch-"))
        self.addCleanup(shutil.rmtree, self.base)
        self.work = os.path.join(self.base, self.folder)
        self.fake, self.notes, submit = (os.path.join(self.base, name) for name in ("fake", "notes", "submit"))
        for path in (self.work, self.fake, self.notes, submit, os.path.join(self.work, "data")):
            os.mkdir(path)
        for name in ("sbatch", "qsub", "bsub"):
            program(os.path.join(self.fake, name), SUBMIT)
        program(os.path.join(submit, "flux"), SUBMIT)
        for name in ("srun", "mpirun"):
            program(os.path.join(self.fake, name), START)
        for name, text in (("flux", FLUX), ("apptainer", CONTAINER), ("msn", MSN), ("scontrol", SCONTROL),
                           ("qrerun", QRERUN), ("squeue", SQUEUE)):
            program(os.path.join(self.fake, name), text)
        self.file("config.toml", "")
        self.environment = {"PATH": self.fake + ":" + os.environ["PATH"], "NOTES": self.notes, "HOME": self.base,
                            "PROGRAM": os.path.join(self.fake, "msn"), "ACT": "exit 0"}

    def file(self, name, text):
        path = os.path.join(self.work, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def run_in_work(self, command, cwd=None, **environment):
        return subprocess.run(command, cwd=cwd or self.work, env={**self.environment, **environment}, text=True, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def launch(self, *words, **environment):
        return self.run_in_work([sys.executable, os.path.join(LAUNCH, "msn-launch"), *words], **environment)

    def note(self, name):
        path = os.path.join(self.notes, name)
        if not os.path.exists(path):
            return ""
        with open(path, encoding="utf-8") as file:
            return file.read()
