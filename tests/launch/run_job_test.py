#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""launch/run-job with programs that play msn and the schedulers: exit codes, signals, who is started again."""
import json
import os
import shutil
import signal
import subprocess
import time
import unittest

from support import LAUNCH, Case, program

PROGRESS = "mkdir -p run/checkpoints; echo step-$RANDOM$RANDOM > run/checkpoints/latest; "
IDS = {"SLURM_JOB_ID": "17", "PBS_JOBID": "17.server", "LSB_JOBID": "17", "FLUX_JOB_ID": "f17"}
AGAIN = {"slurm": "scontrol requeue 17\n", "pbs": "qrerun 17.server\n", "lsf": "", "flux": "flux --parent batch job.sh\n"}


class RunJob(Case):
    def setUp(self):
        super().setUp()
        os.mkdir(os.path.join(self.work, "run"))

    def command(self, scheduler, *options):
        start = {"slurm": "srun", "flux": "flux"}.get(scheduler, "mpirun")
        words = [os.path.join(LAUNCH, "run-job"), "--scheduler", scheduler, "--run", "run", *options, "--", start]
        return [*words, *(["run"] if start == "flux" else []), "--", self.environment["PROGRAM"], "--", "train", "c.toml"]

    def run_job(self, scheduler, act, *options, **environment):
        """Exit code, what was submitted, and the output."""
        path = os.path.join(self.notes, "submitted")
        if os.path.exists(path):
            os.remove(path)
        done = self.run_in_work(self.command(scheduler, *options), ACT=act, **{**IDS, **environment})
        return done.returncode, self.note("submitted"), done.stdout + done.stderr

    def test_codes_decide_what_starts_again(self):
        self.file("run/job.sh", "")
        for scheduler, call in AGAIN.items():
            for code in (75, 124):
                with self.subTest(scheduler=scheduler, code=code):
                    got, submitted, text = self.run_job(scheduler, PROGRESS + f"exit {code}", "--requeue", "--script",
                                                        "run/job.sh")
                    self.assertEqual((got, submitted), (85 if scheduler == "lsf" else code, call), text)
        for code in (0, 1, 2, 70, 74, 77, 78, 79):
            with self.subTest(code=code):
                got, submitted, text = self.run_job("slurm", PROGRESS + f"exit {code}", "--requeue")
                self.assertEqual((got, submitted), (code, ""), text)
                self.assertIn(f"ended with {code}: ", text.splitlines()[-1])
        for name, code in (("KILL", 137), ("SEGV", 139)):
            got, submitted, text = self.run_job("lsf", PROGRESS + f"kill -{name} $$", "--requeue")
            self.assertEqual((got, submitted), (code, ""), text)
        got, submitted, text = self.run_job("slurm", PROGRESS + "exit 75")  # Nobody asked for it.
        self.assertEqual((got, submitted), (75, ""), text)
        self.assertIn("submit the same job again", text)

    def test_msn_knows_better_than_its_launcher(self):
        def act(code):
            status = json.dumps({"state": "stopped", "exit_code": code, "started": "now"}, indent=2)
            return PROGRESS + f"cat > run/status.json <<'END'\n{status}\nEND\nexit 1"

        got, submitted, text = self.run_job("slurm", act(75), "--requeue")
        self.assertEqual((got, submitted), (75, AGAIN["slurm"]), text)
        got, submitted, text = self.run_job("slurm", PROGRESS + "exit 1", "--requeue")  # The file is of the life before.
        self.assertEqual((got, submitted), (1, ""), text)

    def test_a_launcher_that_starts_nothing(self):
        with open(os.path.join(self.fake, "srun"), "w", encoding="utf-8") as file:
            file.write("#!/bin/sh\n")
        got, submitted, text = self.run_job("slurm", "", "--requeue")
        self.assertEqual((got, submitted), (75, AGAIN["slurm"]), text)
        self.assertIn("srun ended with 0, but msn has not begun", text)
        self.assertEqual(self.run_job("slurm", "", "--requeue", "--max-fruitless", "2")[0], 79)

    def test_what_keeps_a_job_from_starting_again(self):
        act = PROGRESS + "exit 75"
        self.file("run/stop", "")
        got, submitted, text = self.run_job("slurm", act, "--requeue")
        self.assertEqual((got, submitted), (75, ""))
        self.assertIn("run/stop is there", text)
        self.assertEqual(self.run_job("lsf", act, "--requeue")[0], 75)  # Not 85.
        os.remove(os.path.join(self.work, "run/stop"))
        got, submitted, text = self.run_job("slurm", act, "--requeue", STATE="COMPLETING")
        self.assertEqual((got, submitted), (75, ""))
        self.assertIn("the job is COMPLETING", text)
        got, submitted, text = self.run_job("slurm", act, "--requeue", SCONTROL_FAILS="1")
        self.assertEqual((got, submitted), (75, AGAIN["slurm"]))
        self.assertIn("submit the job again", text)

    def test_pbs_submits_again_where_only_operators_rerun(self):
        self.file("run/job.sh", "")
        got, submitted, text = self.run_job("pbs", PROGRESS + "exit 75", "--requeue", "--script", "run/job.sh",
                                            QRERUN_FAILS="1")
        self.assertEqual((got, submitted), (75, "qrerun 17.server\nqsub job.sh\n"), text)
        got, submitted, text = self.run_job("pbs", PROGRESS + "exit 75", "--requeue", "--script", "run/job.sh",
                                            QRERUN_FAILS="1", SUBMIT_CODE="1")
        self.assertEqual(got, 75)
        self.assertIn("neither qrerun nor qsub works here", text)

    def test_lives_without_a_checkpoint_are_counted(self):
        lives = [self.run_job("slurm", act, "--requeue")[:2]
                 for act in ("exit 75", "exit 124", PROGRESS + "exit 75", "exit 75", "exit 75")]
        self.assertEqual(lives, [(code, AGAIN["slurm"]) for code in (75, 124, 75, 75, 75)])
        got, submitted, text = self.run_job("slurm", "exit 75", "--requeue")
        self.assertEqual((got, submitted), (79, ""))
        self.assertIn("the last 3 lives brought no checkpoint", text)
        self.assertEqual(self.run_job("slurm", "exit 75", "--requeue")[0], 75)  # Whoever submits again begins anew.
        self.assertEqual(self.run_job("slurm", "exit 75", "--requeue", "--max-fruitless", "2")[0], 79)
        for _ in range(4):
            self.assertEqual(self.run_job("slurm", "exit 75", "--requeue", "--max-fruitless", "0")[0], 75)

    def test_a_chain_ends_with_the_job_that_needs_nobody_after_it(self):
        for scheduler, ids in (("slurm", {"SLURM_ARRAY_JOB_ID": "%d"}), ("pbs", {"PBS_JOBID": "%d[1].server"}),
                               ("lsf", {"LSB_JOBID": "%d"})):
            for number, code in enumerate((0, 78, 75)):
                with self.subTest(scheduler=scheduler, code=code):
                    environment = {**IDS, **{name: text % (number + 20) for name, text in ids.items()}}
                    for life in (1, 2):
                        done = self.run_in_work(self.command(scheduler, "--chain"), ACT=PROGRESS + f"exit {code}", **environment)
                        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
                        self.assertEqual("nothing to do" in done.stdout, life == 2 and code != 75)
        self.assertEqual(self.note("submitted"), "")

    def signalled(self, scheduler, numbers, *options, while_=":"):
        """A run that waits for signals, or as long as `while_` succeeds, gets these, each as soon as it has begun."""
        job = subprocess.Popen(self.command(scheduler, *options), cwd=self.work, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               text=True, env={**self.environment, **IDS, "ACT": PROGRESS + ": > $NOTES/begun; "
                                               f"while {while_}; do sleep 0.05; done"})
        try:
            limit = time.monotonic() + 30
            while not os.path.exists(os.path.join(self.notes, "begun")) and time.monotonic() < limit:
                time.sleep(0.02)
            for number in numbers:
                job.send_signal(number)
            self.file("sent", "")
            text, _ = job.communicate(timeout=30)
        finally:
            job.kill()
        os.remove(os.path.join(self.notes, "begun"))
        return job.returncode, text

    def test_what_is_no_training_runs_once(self):
        for scheduler in AGAIN:
            for code in (0, 1, 2, 74, 75, 124):
                with self.subTest(scheduler=scheduler, code=code):
                    got, submitted, text = self.run_job(scheduler, f"exit {code}", "--once")
                    self.assertEqual((got, submitted), (code, ""), text)
                    self.assertRegex(text.splitlines()[-1], f"ended with {code}: {'not started again' if code else 'done'}")
                    self.assertEqual(self.notes_of_run().split()[1:], [str(code), "0"])
        program(os.path.join(self.fake, "srun"), "#!/bin/sh\n")  # Without a life it may be what was asked for.
        self.assertEqual(self.run_job("slurm", "", "--once")[0], 0)

    def test_what_is_no_training_ends_at_once_when_told_and_no_sooner(self):
        code, text = self.signalled("slurm", [signal.SIGUSR2], "--once", while_="[ ! -e sent ]")
        self.assertEqual((code, self.note("signals")), (0, ""), text)
        self.assertIn("got SIGUSR2, which a job without checkpoints has no use for", text)
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                code, text = self.signalled("slurm", [number], "--once")
                self.assertEqual((code, self.note("signals")), (143, ""), text)
                self.assertIn("the job was told to end", text)

    def test_warnings_are_passed_on(self):
        for scheduler, number, name in (("lsf", signal.SIGUSR2, "USR2"), ("slurm", signal.SIGUSR1, "USR1"),
                                        ("mpirun", signal.SIGUSR2, "USR2")):
            with self.subTest(scheduler):
                options = [] if scheduler == "mpirun" else ["--requeue"]
                code, text = self.signalled(scheduler, [number], *options)
                self.assertEqual(code, 85 if scheduler == "lsf" else 75, text)
                self.assertEqual(self.note("signals"), name + "\n")
                os.remove(os.path.join(self.notes, "signals"))
        self.assertEqual(self.note("submitted"), AGAIN["slurm"])

    def test_an_order_to_end_stops_in_order_and_starts_nothing_again(self):
        for scheduler, number in (("slurm", signal.SIGTERM), ("pbs", signal.SIGTERM), ("lsf", signal.SIGINT),
                                  ("mpirun", signal.SIGINT)):
            with self.subTest(scheduler):
                code, text = self.signalled(scheduler, [number], *([] if scheduler == "mpirun" else ["--requeue"]))
                self.assertEqual((code, self.note("submitted")), (75, ""), text)
                self.assertEqual(self.note("signals"), "USR2\n")
                self.assertIn("told to end", text)
                os.remove(os.path.join(self.notes, "signals"))

    def test_versions_and_variables_are_printed(self):
        code, _, text = self.run_job("slurm", "exit 0", NCCL_DEBUG="a b", UCX_TLS="rc", OMPI_MCA_x="1", NCCL_TOKEN="geheim")
        self.assertEqual(code, 0)
        for line in ("run-job: srun: srun 1", "msn 0", "run-job: set: NCCL_DEBUG=a\\ b", "run-job: set: UCX_TLS=rc",
                     "run-job: set: OMPI_MCA_x=1", "run-job: cores of this script: "):
            self.assertIn("\n" + line, text)
        self.assertNotIn("geheim", text)
        self.assertNotIn("NCCL_", self.note("environment").replace("NCCL_DEBUG=a b", "").replace("NCCL_TOKEN=geheim", ""))

    def test_the_end_of_the_job_reaches_msn(self):
        self.run_job("slurm", "exit 0")
        self.assertRegex(self.note("environment"), "(?m)^MSN_JOB_END=40709[0-9]{5}$")  # 2099, in any time zone.
        self.run_job("slurm", "exit 0", SLURM_JOB_END_TIME="5")
        self.assertNotIn("MSN_JOB_END", self.note("environment"))
        self.run_job("pbs", "exit 0")
        self.assertNotIn("MSN_JOB_END", self.note("environment"))

    def test_a_launcher_that_fails_before_the_run_has_begun(self):
        self.assertNotIn("had begun", self.run_job("slurm", "exit 1")[2])
        for scheduler, name in (("slurm", "srun"), ("mpirun", "mpirun")):
            program(os.path.join(self.fake, name), "#!/bin/sh\necho 'not enough slots' >&2\nexit 1\n")
            code, submitted, text = self.run_job(scheduler, "", *([] if name == "mpirun" else ["--requeue"]))
            self.assertEqual((code, submitted), (1, ""), text)
            self.assertRegex(text, rf"run-job: ended with 1: {name} failed before the run had begun, see the lines above \(docs/")

    def test_a_crash_before_the_run_has_begun_may_pass(self):
        program(os.path.join(self.fake, "srun"), "#!/bin/sh\nexit 139\n")
        for lives in (1, 2):
            code, submitted, text = self.run_job("slurm", "", "--requeue")
            self.assertEqual((code, submitted, self.notes_of_run()), (75, AGAIN["slurm"], f"17 75 {lives}\n"), text)
            self.assertIn("srun ended with 139 (SIGSEGV) before the run had begun", text)
        code, submitted, text = self.run_job("slurm", "", "--requeue")
        self.assertEqual((code, submitted), (79, ""), text)

    def test_a_launcher_that_is_not_there(self):
        tools = os.path.join(self.base, "tools")
        os.mkdir(tools)
        for name in ("bash", "sed", "date", "uname", "cat", "mv", "grep", "head"):
            os.symlink(shutil.which(name), os.path.join(tools, name))
        for scheduler, name in (("slurm", "srun"), ("pbs", "mpirun"), ("flux", "flux")):
            done = self.run_in_work(self.command(scheduler), PATH=tools)
            self.assertEqual(done.returncode, 2, done.stdout)
            self.assertRegex(done.stderr, rf"^run-job: error: no {name} is on .* \(PATH\): load the module that brings it .*\n$")
        self.assertEqual(self.note("argv"), "")

    def test_another_jobs_notes_are_left_alone(self):
        def lease(state):
            self.file("run/lease.json", json.dumps({"job": "Slurm 16", "state": state}, indent=0))

        self.run_job("slurm", "exit 75", "--requeue")
        self.assertEqual(self.notes_of_run(), "17 75 1\n")
        lease("held")  # By a rank of ours that has failed.
        self.run_job("slurm", "exit 74", SLURM_JOB_ID="18")
        self.assertEqual(self.notes_of_run(), "18 74 2\n")
        program(os.path.join(self.fake, "srun"), "#!/bin/sh\nexit 74\n")  # Without a life of its own.
        for state, noted in (("held", "18 74 2\n"), ("free", "19 74 3\n")):
            lease(state)
            code, submitted, text = self.run_job("slurm", "", "--requeue", SLURM_JOB_ID="19")
            self.assertEqual((code, submitted, self.notes_of_run()), (74, "", noted), text)

    def notes_of_run(self):
        with open(os.path.join(self.work, "run/run-job.txt"), encoding="utf-8") as file:
            return file.read()

    def test_notes_that_cannot_be_written_are_no_secret(self):
        command = ["/proc" if word == "run" else word for word in self.command("slurm")]  # Not even root may write there.
        done = self.run_in_work(command, ACT="exit 74", **IDS)
        self.assertEqual((done.returncode, done.stderr), (74, ""))
        self.assertIn("run-job: warning: /proc/run-job.txt cannot be written", done.stdout)

    def test_wrong_use(self):
        good = self.command("slurm")
        for words, text in ((good[:1], "no such scheduler"), ([*good[:2], "sge", *good[3:]], "no such scheduler 'sge'"),
                            (good[:5], "no command"), ([*good[:5], "--requeu"], "unknown argument '--requeu'"),
                            ([*good[:5], "--max-fruitless", "x", *good[5:]], "no number 'x'"),
                            (self.command("mpirun", "--requeue"), "under plain mpirun"),
                            (self.command("slurm", "--once", "--requeue"), "a job that runs once is never started again"),
                            (self.command("slurm", "--once", "--chain"), "a job that runs once is never started again")):
            done = self.run_in_work(words)
            self.assertEqual(done.returncode, 2)
            self.assertRegex(done.stderr, rf"^run-job: error: .*{text}.*\n$")
        code, _, text = self.run_job("slurm", "exit 0", "--requeue", VERSION_CODE="2")
        self.assertEqual(code, 2)
        self.assertIn("error: msn does not start", text)
        self.assertEqual(self.note("argv"), "")


if __name__ == "__main__":
    unittest.main()
