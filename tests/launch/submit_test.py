#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""msn-launch submits to programs that play the schedulers, and the job scripts that it wrote are run: what reaches msn?"""
import os
import unittest

from support import LAUNCH, SCHEDULERS, Case

JOB = {"slurm": {"SLURM_JOB_ID": "4711"}, "pbs": {"PBS_JOBID": "4711.server"}, "lsf": {"LSB_JOBID": "4711"},
       "flux": {"FLUX_JOB_ID": "f4711"}, "mpirun": {}}
SUBMITTED = {"slurm": "sbatch --parsable job.sh\n", "pbs": "qsub job.sh\n", "lsf": "bsub \n", "flux": "flux batch job.sh\n"}
IDS = {"slurm": "4711", "pbs": "4711.server", "lsf": "4711", "flux": "f4711"}
# Each would be another word, several or none if it were not quoted.
NASTY = ["--set", "a=one two", "it's", 'say "no"', "$HOME", "`id`", "$(id)", "back\\slash", "trailing\\", "*", "~", "a;b", "a&b",
         "#no comment", "", "[0]=x", "!x", "--", "a  b", "{a,b}", "\u00e4\u00f6", "-x"]


class Submission(Case):
    folder = "it's \"a\" $HOME\\dir"

    def job(self, scheduler, *words, **environment):
        site = self.file("site.toml", "cpus_per_rank = 2\n[environment]\nGREETING = 'it''s $x \"y\"'\n".replace("''s", "s"))
        return self.launch("--scheduler", scheduler, "--site", site, "--msn", "msn", "--", "config.toml", "--run", "runs/a $b",
                           *words, **environment)

    def test_every_word_reaches_msn_as_it_was(self):
        for scheduler in SCHEDULERS:
            with self.subTest(scheduler):
                done = self.job(scheduler, *NASTY)
                self.assertEqual(done.returncode, 0, done.stderr)
                folder = os.path.join(self.work, "runs/a $b")
                if scheduler != "mpirun":
                    self.assertEqual(self.note("argv"), "", "it was run instead of submitted")
                    done = self.run_in_work(["bash", "job.sh"], cwd=folder, PBS_O_WORKDIR=folder, PBS_NODEFILE="/nodes",
                                            **JOB[scheduler])
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertEqual(self.note("argv").split("\0")[:-1], ["train", "config.toml", "--run", "runs/a $b", *NASTY])
                self.assertEqual(self.note("cwd"), self.work + "\n")
                self.assertIn("\nGREETING=its $x \"y\"\n", self.note("environment"))
                os.remove(os.path.join(self.notes, "argv"))

    def test_the_id_is_printed_and_the_command_is_the_documented_one(self):
        for scheduler, line in SUBMITTED.items():
            with self.subTest(scheduler):
                done = self.job(scheduler, MSN_JOB_END="5")
                self.assertEqual((done.returncode, done.stdout), (0, IDS[scheduler] + "\n"))
                self.assertIn("submitted", done.stderr)
                self.assertEqual(self.note("submitted"), line)
                os.remove(os.path.join(self.notes, "submitted"))
        with open(os.path.join(self.work, "runs/a $b/job.sh"), encoding="utf-8") as file:
            self.assertTrue(file.read().startswith("#!/usr/bin/env bash\n"))
        self.assertTrue(self.note("stdin").startswith("#!/usr/bin/env bash\n"))  # bsub reads the script.
        self.assertEqual(self.note("job_end"), "")  # The end of the job that submits is not the new one's.
        self.assertEqual(os.stat(os.path.join(self.work, "runs/a $b")).st_mode & 0o777, 0o750)

    def test_the_code_of_the_submission_is_passed_on(self):
        for scheduler in SUBMITTED:
            done = self.job(scheduler, SUBMIT_CODE="41")
            self.assertEqual((done.returncode, done.stdout), (41, ""))
            self.assertRegex(done.stderr.splitlines()[-1], "^msn-launch: error: .* ended with 41 ")

    def test_other_commands_run_once(self):
        for scheduler in SCHEDULERS:
            with self.subTest(scheduler):
                done = self.launch("--scheduler", scheduler, "--cpus-per-rank", "2", "--msn", "msn", "--command", "bench step",
                                   "--folder", "out/a $b", "--", *NASTY)
                self.assertEqual(done.returncode, 0, done.stderr)
                folder = os.path.join(self.work, "out/a $b")
                if scheduler != "mpirun":
                    done = self.run_in_work(["bash", "job.sh"], cwd=folder, PBS_O_WORKDIR=folder, PBS_NODEFILE="/nodes",
                                            **JOB[scheduler])
                    self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertEqual(self.note("argv").split("\0")[:-1], ["bench", "step", *NASTY])
                with open(os.path.join(folder, "run-job.txt"), encoding="utf-8") as file:
                    self.assertEqual(file.read().split()[1], "0")
                os.remove(os.path.join(self.notes, "argv"))

    def test_the_code_of_the_run_is_passed_on_by_mpirun(self):
        for code in (75, 78):
            self.assertEqual(self.job("mpirun", ACT=f"exit {code}").returncode, code)

    def test_nothing_is_submitted_on_an_error(self):
        for words in (("--scheduler", "slurm", "--", "config.toml", "--run", "r"),  # No cores.
                      ("--scheduler", "slurm", "--cpus-per-rank", "2", "--", "absent.toml", "--run", "r"),
                      ("--scheduler", "slurm", "--cpus-per-rank", "2", "--", "config.toml"),
                      ("--scheduler", "slurm", "--site", "absent.toml", "--", "config.toml", "--run", "r"),
                      ("--scheduler", "flux", "--cpus-per-rank", "2", "--array", "3", "--", "config.toml", "--run", "r"),
                      ("--scheduler", "lsf", "--cpus-per-rank", "2", "--", "config.toml", "--run", "config.toml/r")):
            done = self.launch(*words)
            self.assertIn(done.returncode, (2, 78), words)
            self.assertRegex(done.stderr.splitlines()[-1], "^msn-launch: error: ")
            self.assertEqual(self.note("submitted"), "", words)
            self.assertFalse(os.path.exists(os.path.join(self.work, "r")), words)

    def test_the_command_that_submits_must_be_there(self):
        os.remove(os.path.join(self.fake, "sbatch"))
        done = self.launch("--scheduler", "slurm", "--cpus-per-rank", "2", "--", "config.toml", "--run", "r",
                           PATH=self.fake)
        self.assertEqual(done.returncode, 2)
        self.assertIn("no sbatch is here", done.stderr)

    def test_pbs_without_tm_names_the_hosts(self):
        self.job("pbs")
        folder = os.path.join(self.work, "runs/a $b")
        info = os.path.join(self.fake, "ompi_info")
        for text, passed in (("MCA plm: rsh (MCA v2)", True), ("MCA plm: tm (MCA v2)", False)):
            with open(info, "w", encoding="utf-8") as file:
                file.write(f"#!/bin/sh\necho '{text}'\n")
            os.chmod(info, 0o755)
            done = self.run_in_work(["bash", "job.sh"], cwd=folder, PBS_O_WORKDIR=folder, PBS_NODEFILE="/node file",
                                    **JOB["pbs"])
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout, "")  # All of it is in the log, of both.
            self.assertEqual(" --hostfile /node file -x PATH" in self.note("started").splitlines()[-1], passed)
        with open(os.path.join(folder, "job-4711.server.log"), encoding="utf-8") as file:
            self.assertEqual(file.read().count("ended with 0: done"), 2)

    def test_the_templates_run_as_they_are(self):
        project = os.path.join(self.base, "project")
        program = os.path.join(project, "msn/build/cuda/msn")
        os.makedirs(os.path.dirname(program))
        os.makedirs(os.path.join(project, "runs/a"))
        os.symlink(os.path.join(self.fake, "msn"), program)
        os.symlink(LAUNCH, os.path.join(project, "msn/launch"))
        for template in sorted(os.listdir(os.path.join(LAUNCH, "templates"))):
            with self.subTest(template):
                folder = os.path.join(project, "runs/a")
                done = self.run_in_work(["bash", os.path.join(LAUNCH, "templates", template)], cwd=folder, PROGRAM=program,
                                        PBS_O_WORKDIR=folder, PBS_NODEFILE="/nodes", **JOB[template[:-3].split("-")[0]])
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                self.assertEqual(self.note("argv").split("\0")[:-1], ["train", "configs/vit_s16.toml", "--data", "data/photos",
                                                                      "--run", "runs/a", "--device", "cuda"])
                self.assertEqual(self.note("cwd"), project + "\n")
                os.remove(os.path.join(self.notes, "argv"))

    def test_a_container_runs_msn(self):
        self.file("image.sif", "")
        done = self.launch("--scheduler", "mpirun", "--container", "image.sif", "--", "config.toml", "--run", "r",
                           "--set", "a b", PROGRAM="apptainer")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(self.note("argv").split("\0")[:-1], ["train", "config.toml", "--run", "r", "--set", "a b"])


if __name__ == "__main__":
    unittest.main()
