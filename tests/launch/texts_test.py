#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What msn-launch --dry-run prints, against golden/; what it refuses; site files; the templates.

    tests/launch/texts_test.py --write     # writes golden/ anew: read the difference before you commit it
"""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import re
import sys
import unittest
from unittest import mock

from support import LAUNCH, SCHEDULERS, SOURCE, Case, program

GOLDEN = os.path.join(os.path.dirname(os.path.realpath(__file__)), "golden")
sys.path.insert(0, LAUNCH)
loader = importlib.machinery.SourceFileLoader("msn_launch", os.path.join(LAUNCH, "msn-launch"))
msn_launch = importlib.util.module_from_spec(importlib.util.spec_from_loader("msn_launch", loader))
loader.exec_module(msn_launch)

TRAIN = ["--", "config.toml", "--data", "data", "--run", "runs/a b"]
GPUS = ["--nodes", "2", "--gpus-per-node", "8", "--cpus-per-rank", "12", "--time", "12h"]
SITE = """
%s
account = "project42"
modules = ["gcc/12", "openmpi/4.1.5"]
prologue = ["source /etc/profile.d/modules.sh", "ulimit -n 65536"]
directives = ["--exclusive"]
[environment]
NCCL_SOCKET_IFNAME = "ib0"
GREETING = 'a "b" $c'
[container]
options = ["--bind", "/scratch dir"]
msn = "/opt/msn/bin/msn"
[mpirun]
options = ["--mca", "btl_tcp_if_include", "ib0"]
[srun]
mpi = "pmix_v4"
options = ["--label"]
[flux]
options = ["-o", "exit-timeout=none"]
"""
CASES = {
    "one-node": ["--ranks-per-node", "2", "--cpus-per-rank", "4", "--time", "90m"],
    "two-nodes": GPUS,
    "array": [*GPUS, "--array", "10"],
    "requeue": [*GPUS, "--requeue", "--max-fruitless", "5"],
    "command": [*GPUS, "--command", "bench 'step'", "--folder", "out/a b"],
    "container": [*GPUS, "--site", "site.toml", "--container", "image.sif"],
}


class Texts(Case):
    def setUp(self):
        super().setUp()
        self.file("site.toml", SITE % 'partition = "gpu"\nqos = "long"')
        self.file("image.sif", "")
        self.file("hosts", "n1 slots=8\nn2 slots=8\n")
        before = os.getcwd()
        self.addCleanup(os.chdir, before)
        os.chdir(self.work)

    def dry(self, *words, **environment):
        """In this process: exit code, output, errors."""
        out, err = io.TextIOWrapper(io.BytesIO(), write_through=True), io.StringIO()
        with mock.patch.dict(os.environ, {**self.environment, **environment}, clear=True), \
                mock.patch.object(sys, "argv", ["msn-launch", *words]), \
                contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = msn_launch.main()
        return code, out.buffer.getvalue().decode(), err.getvalue()

    def text_of(self, scheduler, case):
        program_of = [] if case == "container" else ["--msn", "msn"]  # Not what happens to be built.
        rest = ["--", "config.toml", "--device", "cuda", "--output", "out/a b/x.json"] if case == "command" else TRAIN
        words = ["--dry-run", "--scheduler", scheduler, *program_of, *CASES[case], *rest]
        if scheduler != "slurm":
            self.file("site.toml", SITE % ('queue = "gpu"' if scheduler != "mpirun" else ""))
        if scheduler == "mpirun" and case != "one-node":
            words[1:1] = ["--hostfile", "hosts"]
        code, out, err = self.dry(*words)
        text = out if code == 0 else f"exit code {code}\n{err}"
        return text.replace(self.base, "@BASE@").replace(LAUNCH, "@LAUNCH@")

    def test_golden_texts(self):
        for scheduler in SCHEDULERS:
            for case in CASES:
                with self.subTest(scheduler=scheduler, case=case):
                    path = os.path.join(GOLDEN, f"{scheduler}-{case}.txt")
                    text = self.text_of(scheduler, case)
                    if WRITE:
                        with open(path, "w", encoding="utf-8") as file:
                            file.write(text)
                    with open(path, encoding="utf-8") as file:
                        self.assertEqual(text, file.read(), "tests/launch/texts_test.py --write writes it anew")
        self.assertEqual(sorted(os.listdir(GOLDEN)), sorted(f"{s}-{c}.txt" for s in SCHEDULERS for c in CASES))
        self.assertFalse(os.path.exists("runs"))  # --dry-run made nothing.

    def test_templates_ask_for_what_msn_launch_asks_for(self):
        def directives(text):
            return sorted(re.sub(r"msn-a_b|msn\b", "NAME", line) for line in text.splitlines()
                          if re.match("#SBATCH |#PBS |#BSUB |# flux: ", line))

        for scheduler, case, name in (("slurm", "requeue", "slurm"), ("slurm", "array", "slurm-array"),
                                      ("pbs", "requeue", "pbs"), ("lsf", "requeue", "lsf"), ("flux", "requeue", "flux"),
                                      ("mpirun", "two-nodes", "mpirun")):
            with self.subTest(name), open(os.path.join(LAUNCH, "templates", name + ".sh"), encoding="utf-8") as file:
                template = file.read()
                text = self.text_of(scheduler, case)
                self.assertLessEqual(template.count("\n"), 40)
                self.assertEqual(directives(template), directives(text))
                for line in ("start=", "MSN_JOB_END=")[:1 if scheduler == "mpirun" else 2]:
                    of = [[l for l in t.splitlines() if l.startswith(line)] for t in (template, text)]
                    self.assertEqual(of[0], of[1])

    def refused(self, code, pattern, *words, **environment):
        with self.subTest(pattern):
            got, out, err = self.dry("--dry-run", *words, **environment)
            self.assertEqual((got, out), (code, ""), err)
            line = err.splitlines()[-1]
            self.assertRegex(line, r"^msn-launch: error: .+ \(.+\): .+$")
            self.assertRegex(line, pattern)
            self.assertEqual(err.count("error:"), 1)

    def test_refusals(self):
        slurm = ["--scheduler", "slurm", "--cpus-per-rank", "2"]
        self.refused(2, "no configuration is named", *slurm)
        self.refused(2, "no such configuration: absent.toml", *slurm, "--", "absent.toml", "--run", "r")
        self.refused(2, "--run stands where the configuration", *slurm, "--", "--run", "r", "config.toml")
        self.refused(2, "no run folder is named", *slurm, "--", "config.toml")
        self.refused(2, "config.toml is no folder", *slurm, "--", "config.toml", "--run", "config.toml")
        self.refused(2, "GPUs without a number .*--gpus-per-node", *slurm, *TRAIN, "--device", "cuda")
        self.refused(2, "--gpus-per-node: expected one argument", *slurm, "--gpus-per-node", *TRAIN)
        self.refused(2, "2 GPUs a node for a run on processors", *slurm, "--gpus-per-node", "2", *TRAIN, "--device=cpu")
        self.refused(2, "4 ranks for 2 GPUs a node", *slurm, "--gpus-per-node", "2", "--ranks-per-node", "4", *TRAIN)
        self.refused(2, "cores of a rank are not said", "--scheduler", "slurm", *TRAIN)
        self.refused(2, "'0' .*|at least 1", *slurm, "--nodes", "0", *TRAIN)
        self.refused(2, "'12' is no time", *slurm, "--time", "12", *TRAIN)
        self.refused(2, "did you mean --gpus-per-node", *slurm, "--gpus-per-nod", "2", *TRAIN)
        self.refused(2, "both ways to go on", *slurm, "--array", "3", "--requeue", *TRAIN)
        self.refused(2, "a chain of one job", *slurm, "--array", "1", *TRAIN)
        self.refused(2, "before the beginning", *slurm, "--time", "1h", "--warn", "3600", *TRAIN)
        self.refused(2, "PBS sends no warning", "--scheduler", "pbs", "--cpus-per-rank", "2", "--warn", "60", *TRAIN)
        self.refused(2, "add --time", "--scheduler", "lsf", "--cpus-per-rank", "2", "--warn", "60", *TRAIN)
        self.refused(2, "Slurm chooses the hosts", *slurm, "--hostfile", "hosts", *TRAIN)
        self.refused(2, "which 2 hosts is not said", "--scheduler", "mpirun", "--nodes", "2", *TRAIN)
        self.refused(2, "no such file: absent", "--scheduler", "mpirun", "--hostfile", "absent", *TRAIN)
        self.refused(2, "under plain mpirun", "--scheduler", "mpirun", "--requeue", *TRAIN)
        self.refused(2, "no such program: absent", *slurm, "--msn", "absent", *TRAIN)
        self.refused(2, "no such image: absent.sif", *slurm, "--container", "absent.sif", *TRAIN)
        self.refused(2, "pulled by every rank", *slurm, "--container", "docker://msn", *TRAIN)
        self.refused(2, "no name for a job", *slurm, "--name", "a b", *TRAIN)
        self.refused(2, "line break or control character", *slurm, *TRAIN, "--set", "a=b\nrm -rf x")
        self.refused(2, "no scheduler and no mpirun", *TRAIN, PATH="")

    def test_refusals_of_other_commands(self):
        base = ["--scheduler", "slurm", "--cpus-per-rank", "2"]
        bench = [*base, "--folder", "out", "--command", "bench step"]
        code, out, err = self.dry("--dry-run", *bench)
        self.assertEqual((code, err), (0, ""))  # A command may need no arguments.
        self.assertIn("arguments=(bench step)\noptions=(--once)\n", out)
        self.assertNotIn("--signal", out)
        self.refused(2, "no folder for the job's script and logs", *base, "--command", "bench step")
        self.refused(2, "a training is what is started without it", *base, "--folder", "out", "--command", "train")
        for command in ("", "--help", "'"):
            self.refused(2, r"\(--command\): name ", *base, "--folder", "out", "--command=" + command)
        self.refused(2, "config.toml is no folder that you may write to .--folder", *base, "--folder", "config.toml", "--command", "eval")
        self.refused(2, "leave it out, or add --command", *base, "--folder", "out", *TRAIN)
        for option in (["--requeue"], ["--array", "3"], ["--warn", "60"], ["--max-fruitless", "0"]):
            self.refused(2, f"{option[0]} is for trainings, and bench runs once", *bench, *option)
        self.refused(2, "GPUs without a number", *bench, "--", "--device", "cuda")
        code, out, err = self.dry("--dry-run", *bench, "--gpus-per-node", "2")
        self.assertEqual((code, err), (0, "msn-launch: 2 GPUs a node, and no --device cuda after --: msn bench step decides what "
                                          "it uses\n"))

    def test_host_files(self):
        def hosts(text, *words):
            self.file("hosts", text)
            return ["--scheduler", "mpirun", "--nodes", "2", "--ranks-per-node", "4", "--hostfile", "hosts", *words, *TRAIN]

        self.refused(2, r"1 host for 2 nodes \(hosts\): name more hosts", *hosts("# two\n\nn1 slots=4  # here\n"))
        self.refused(2, r"n2 has 1 slot for 4 ranks a node \(hosts\): every node gets equally many", *hosts("n1 slots=4\nn2 slots=1\n"))
        self.refused(2, "n1 has 2 slots for 4 ranks", *hosts("me@n1 max_slots=4 slots = 2\nn2 slots=4"))
        self.refused(2, "n2 has 3 slots for 4 ranks", *hosts("n1\n" * 4 + "n2\n" * 3))  # As PBS writes it.
        self.refused(2, "n2 has 3 slots", *hosts("n2 slots=3\nn1 slots=4\n"))
        for text in ("n1 slots=4\nn2 slots=8\n", "n1\nn2\n", "n1\n" * 4 + "n2 slots=4\n", "n1:1\nn2:1\n", "^n1\n"):
            with self.subTest(text):
                self.assertEqual(self.dry("--dry-run", *hosts(text))[::2], (0, ""))
        code, _, err = self.dry("--dry-run", *hosts("n1 slots=4\nn2 slots=4\nn3 slots=1\n"))
        self.assertEqual((code, err), (0, "msn-launch: of the 3 hosts of hosts the first 2 are used (--nodes)\n"))
        site = self.file("over.toml", '[mpirun]\noptions = ["--oversubscribe"]')
        self.assertEqual(self.dry("--dry-run", *hosts("n1 slots=1\nn2 slots=1\n", "--site", site))[0], 0)
        self.refused(2, "1 host for 2 nodes", *hosts("n1\n", "--site", site))

    def test_data_may_be_on_the_nodes_alone(self):
        code, out, err = self.dry("--dry-run", "--scheduler", "slurm", "--cpus-per-rank", "2", "--", "config.toml", "--run", "r",
                                  "--data=/scratch/absent")
        self.assertEqual(code, 0)
        self.assertIn("warning: no such data set here: /scratch/absent (--data)", err)

    def test_site_files(self):
        def site(code, pattern, text, scheduler="slurm"):
            self.file("site.toml", text)
            self.refused(code, pattern, "--scheduler", scheduler, "--site", "site.toml", "--cpus-per-rank", "2", *TRAIN)

        site(78, 'unknown key "acount" .site.toml.: the nearest known key is "account"', 'acount = "x"')
        site(78, 'unknown key "container.option" .*"container.options"', '[container]\noption = ["x"]')
        site(78, '"modules" is .*: give a list of texts', 'modules = "gcc"')
        site(78, '"cpus_per_rank" is True', "cpus_per_rank = true")
        site(78, '"cpus_per_rank" is 0', "cpus_per_rank = 0")
        site(78, "line break or control character", 'prologue = ["a\\nb"]')
        site(78, "line break or control character", '[environment]\nA = "a\\nb"')
        site(78, "no name of a variable", '[environment]\n"A B" = "x"')
        site(78, '"account" is .*letters', 'account = "x --wrap=id"')
        site(78, "begin with the option", 'directives = ["exclusive"]')
        site(78, 'Slurm has no "queue"', 'queue = "gpu"')
        site(78, 'PBS has no "partition"', 'partition = "gpu"', "pbs")
        site(78, 'cannot be started by "srun"', 'mpi = "srun"', "pbs")
        site(78, '"mpi" is .jsrun.', 'mpi = "jsrun"')
        site(78, "no TOML", "account = ")
        self.refused(78, "cannot be read", "--scheduler", "slurm", "--site", "absent.toml", *TRAIN)

    def test_mpirun_under_slurm_gets_the_warning_through_the_script(self):
        self.file("site.toml", 'mpi = "mpirun"\ncpus_per_rank = 4')
        code, out, err = self.dry("--dry-run", "--scheduler", "slurm", *TRAIN, MSN_SITE="site.toml")
        self.assertEqual(code, 0, err)
        self.assertIn("#SBATCH --signal=B:USR2@300\n", out)
        self.assertIn("start=(mpirun -n 1 --map-by ppr:1:node:PE=4 --bind-to core)\n", out)

    def test_the_scheduler_is_found(self):
        words = ["--dry-run", "--cpus-per-rank", "2", *TRAIN]
        only = {name: os.path.join(self.base, name + "-only") for name in ("qsub", "flux", "mpirun")}
        for name, path in only.items():
            os.mkdir(path)
            program(os.path.join(path, name), "")
            program(os.path.join(path, "msn"), "")
        self.assertIn("#SBATCH", self.dry(*words)[1])
        self.assertIn("#PBS", self.dry(*words, PATH=only["qsub"])[1])
        self.assertIn("# flux:", self.dry(*words, PATH=only["flux"])[1])
        self.assertIn("mpirun -n 1", self.dry(*words, PATH=only["mpirun"])[1])
        program(os.path.join(only["qsub"], "qconf"), "")  # Grid Engine.
        self.refused(2, "no scheduler", *words[1:], PATH=only["qsub"])

    def test_inside_an_allocation(self):
        code, out, err = self.dry("--dry-run", "--nodes", "2", *TRAIN, SLURM_JOB_ID="17")
        self.assertEqual(code, 0, err)
        self.assertIn("inside Slurm job 17: starts in it by mpirun", err)
        self.assertIn("start=(mpirun -n 2 ", out)
        code, out, err = self.dry("--dry-run", "--scheduler", "slurm", "--cpus-per-rank", "2", *TRAIN, SLURM_JOB_ID="17")
        self.assertIn("inside Slurm job 17: another job is submitted", err)
        self.assertIn("#SBATCH", out)


if __name__ == "__main__":
    WRITE = "--write" in sys.argv
    if WRITE:
        sys.argv.remove("--write")
        os.makedirs(GOLDEN, exist_ok=True)
    unittest.main()
