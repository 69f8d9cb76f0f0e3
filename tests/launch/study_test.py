#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""launch/scaling-study: its arithmetic and charts; and studies with a program that plays msn: what is started, refused, gone on
with, and written."""
import csv
import json
import os
import signal
import subprocess
import sys
import time
import unittest
import xml.etree.ElementTree

from support import LAUNCH, Case, program

sys.path.insert(0, LAUNCH)
from scheduler.refusal import Refusal
from study import charts, planned, results, scaling, sweep, tables

# Plays msn bench and msn plan: a step takes 2 s by one rank and, of more, a tenth longer than that of one rank with its images.
BENCH = r"""#!/bin/sh
[ "$1" != --version ] || { echo msn 0; exit 0; }
exec python3 -ISE - "$@" <<'END'
import json, os, sys
words = sys.argv[1:]
option = lambda name: words[words.index(name) + 1]
with open(os.environ["NOTES"] + "/calls", "a") as file:
    file.write(" ".join(words[:2]) + f" {os.environ.get('RANKS', '1')}\n")
if words[0] == "plan":
    images = int(next(word for word in words if word.startswith("train.global_batch=")).split("=")[1])
    files = sum(word == "--calibrate" for word in words)
    print(json.dumps({"command": "plan", "step_seconds": 2.0, "bench_memory_bytes": 3 << 30, "files": files, "images": images}))
    sys.exit(int(os.environ.get("PLAN_CODE", 0)))
if "FAIL_AT" in os.environ and os.environ["FAIL_AT"] in option("--output"):
    print("msn: error: played", file=sys.stderr)
    sys.exit(78)
if "HANG_AT" in os.environ and os.environ["HANG_AT"] in option("--output"):
    open(os.environ["NOTES"] + "/hangs", "w").write(str(os.getpid()))
    import time
    time.sleep(60)
ranks = int(os.environ["RANKS"])
origin = {"version": os.environ.get("VERSION", "1 (abc)"), "torch": "2", "mpi": "Open MPI", "instruction_set": "AVX2", "processor": "AMD",
          "gemm": "mkl", "device": "", "hosts": [{"host": "n1", "ranks": ranks, "processor": os.environ.get("MODEL", "EPYC"),
          "device": "cpu", "cores_of_a_rank": 1}], "environment": {}, "load_average": {"before": 0.5, "after": 1}}
line = {"command": " ".join(words[:2]), "ranks": ranks, "provenance": origin}
if words[1] == "step":
    images = int(option("--batch"))
    seconds = 0.5 * images * (1.0 if ranks == 1 else 1.1)
    settings = [word for i, word in enumerate(words) if words[i - 1] == "--set"]
    origin["settings_digest"] = "+".join(settings)
    line.update({"global_batch": images * ranks, "steps": int(option("--steps")), "warm_up": int(option("--warm-up")), "threads": 1,
        "step_seconds": seconds, "step_seconds_p10": 0.9 * seconds, "step_seconds_p90": 1.2 * seconds,
        "breakdown": {"compute": seconds * 0.9, "exchange": seconds * 0.1, "optimizer": 0, "input": 0, "other": 0},
        "peak_memory_bytes": 2 << 30, "flops_per_second": 1e9, "others_cpu_share": 0.01, "each_step_seconds": [seconds] * 3,
        "config": "x"})
with open(option("--output"), "w") as file:
    json.dump(line, file)
END
"""
MPIRUN = """#!/bin/bash
[ "$1" != --version ] || { echo "mpirun 1"; exit 0; }
export RANKS=$2
while [ "$1" != "$PROGRAM" ] && [ $# -gt 0 ]; do shift; done
exec "$@"
"""
STUDY = ["study", "--config", "config.toml", "--ranks", "1,2", "--batch", "4", "--global-batch", "8", "--repeats", "1", "--steps", "3",
         "--warm-up", "1"]
MODEL = sweep.Model("c")


def line_of(seconds, **other):
    return {"step_seconds": seconds, "step_seconds_p10": seconds, "step_seconds_p90": seconds, "breakdown": {"compute": seconds},
            "peak_memory_bytes": 1, "flops_per_second": 1, "others_cpu_share": 0, "provenance": {"load_average": {"before": 0}}, **other}


def measured(ranks, batch, *seconds):
    return scaling.measured(sweep.Point(MODEL, "synthetic", ranks, batch), [line_of(one) for one in seconds])


class Arithmetic(unittest.TestCase):
    settings = sweep.Settings({"c": ""}, ranks_per_node=2)

    def test_efficiency_by_its_definitions(self):
        one, four = measured(1, 8, 2.0), measured(4, 8, 2.5)  # Weak: T(1) / T(4).
        self.assertAlmostEqual(scaling.efficiency(one, four), 2.0 / 2.5)
        self.assertAlmostEqual(scaling.speed_up(one, four), 4 * 2.0 / 2.5)
        one, four = measured(1, 8, 2.0), measured(4, 2, 0.625)  # Strong: speed-up T(1) / T(4).
        self.assertAlmostEqual(scaling.speed_up(one, four), 2.0 / 0.625)
        self.assertAlmostEqual(scaling.efficiency(one, four), 2.0 / (4 * 0.625))
        two, four = measured(2, 4, 1.25), measured(4, 2, 0.625)  # From a baseline of two: p0 T(p0) / (p T(p)).
        self.assertAlmostEqual(scaling.efficiency(two, four), 1)

    def test_medians_over_jobs(self):
        one = measured(1, 8, 3.0, 1.0, 2.0)
        self.assertEqual((one.jobs, one.seconds, one.least, one.most, one.middle["step_seconds"]), (3, 2, 1, 3, 2))
        self.assertEqual(measured(1, 8, 1.0, 2.0).seconds, 1.5)
        self.assertEqual(one.images_per_second, 4)

    def test_rows(self):
        study = sweep.Sweep(ranks=[1, 2, 4, 8], batches=[8])
        found = {m.point: m for m in (measured(2, 8, 1.0, 1.2, 1.1), measured(4, 8, 2.2), measured(1, 8, 1.0))}
        rows = scaling.rows(self.settings, study, found)
        self.assertEqual([row.measured.point.ranks for row in rows], [1, 2, 4])  # Eight was not measured.
        self.assertEqual([row.nodes for row in rows], [1, 1, 2])
        self.assertEqual([round(row.efficiency, 4) for row in rows], [1, round(1 / 1.1, 4), round(1 / 2.2, 4)])
        self.assertEqual([round(value, 4) for value in (rows[1].efficiency_least, rows[1].efficiency_most)],
                         [round(1 / 1.2, 4), 1])
        self.assertEqual([row.efficiency_of_node and round(row.efficiency_of_node, 4) for row in rows], [None, None, 0.5])
        self.assertEqual(scaling.rows(self.settings, study, {}), [])

    def test_plans_rest_on_other_points(self):
        points = [sweep.Point(sweep.Model(name), source, ranks, batch) for name in "cd" for source in ("synthetic", "data")
                  for ranks in (1, 2) for batch in (4, 8)]
        files, by = planned.others(points[0], {point: str(point) for point in points})
        self.assertEqual(by, "the other points")
        self.assertEqual(sorted(files), sorted(str(p) for p in points if p.model.config == "d" or p.ranks == 2))
        self.assertEqual(planned.others(points[0], {points[0]: "a", points[1]: "b"}), (["a"], "itself"))

    def test_series_share_points(self):
        study = sweep.Sweep(ranks=[1, 2], batches=[4, 8], global_batches=[8])
        self.assertEqual([(p.ranks, p.batch) for p in sweep.points(self.settings, study)], [(1, 4), (2, 4), (1, 8), (2, 8)])
        self.assertEqual(len(sweep.series(self.settings, study)), 3)

    def test_what_no_job_could_do(self):
        for study, text in ((sweep.Sweep(), "no batch to scale with"),
                            (sweep.Sweep(ranks=[1, 3], global_batches=[8]), "8 images cannot be shared evenly by 3 ranks"),
                            (sweep.Sweep(ranks=[3], batches=[8]), "3 ranks do not fill nodes of 2")):
            with self.assertRaisesRegex(Refusal, text):
                sweep.check(self.settings, study)
        self.assertEqual(sweep.nodes_of(sweep.Settings({}), 64), (1, 64))

    def test_folders_differ_where_points_do(self):
        names = {sweep.slug(words) for words in (["a", "b"], ["a+b"], ["a b"], ["a/b"], ["a", "x=[1, 2]"], ["a", "x=[1,2]"], ["a-b"])}
        self.assertEqual(len(names), 7)
        for name in names:
            self.assertRegex(name, r"^[A-Za-z0-9._=+~-]+$")

    def test_lines_of_other_settings_are_refused(self):
        point = sweep.Point(MODEL, "synthetic", 2, 4)
        good = {**dict.fromkeys(results.NEEDED, 0), "command": "bench step", "ranks": 2, "global_batch": 8, "steps": 100, "warm_up": 20,
                "threads": 1}
        results.check_step(good, point, self.settings, "x")
        for name, value in (("command", "bench gemm"), ("ranks", 1), ("global_batch", 4), ("steps", 99), ("warm_up", 0), ("threads", 2)):
            with self.assertRaisesRegex(Refusal, rf"^{name.replace('_', ' ')} is {value} instead of .* \(x\): "):
                results.check_step({**good, name: value}, point, self.settings, "x")
        with self.assertRaisesRegex(Refusal, 'no "breakdown"'):
            results.check_step({name: value for name, value in good.items() if name != "breakdown"}, point, self.settings, "x")
        results.check_step({**good, "threads": 7}, point, sweep.Settings({}, gpus_per_node=2), "x")


class Charts(unittest.TestCase):
    def test_ticks_reach_beyond_the_top(self):
        for top in (0.013, 0.97, 1, 1.01, 3, 47, 100, 12345):
            values = charts.ticks(top)
            self.assertEqual(values[0], 0)
            self.assertGreaterEqual(values[-1], top * (1 - 1e-9))
            self.assertLess(len(values), 13)
        self.assertEqual(charts.doublings(1, 1), [1, 2])
        self.assertEqual(charts.doublings(0.9, 4.1), [0.5, 1, 2, 4, 8])

    def test_charts_are_well_formed_and_escape_names(self):
        chart = charts.line_chart("a < b", "ranks", "s", [charts.Line("x & <y>", [(1, 0.0), (4, 2.0)], [(0.0, 0.0), (1.0, 3.0)])])
        tree = xml.etree.ElementTree.fromstring(chart)
        texts = [element.text for element in tree.iter("{http://www.w3.org/2000/svg}text")]
        self.assertIn("x & <y>", texts)
        dots = list(tree.iter("{http://www.w3.org/2000/svg}circle"))
        self.assertEqual([float(dot.get("cy")) for dot in dots][0], charts.HEIGHT - charts.BOTTOM)  # 0 lies on the axis.
        self.assertGreater(float(dots[1].get("cx")), float(dots[0].get("cx")))
        chart = charts.line_chart("a", "x", "y", [charts.Line("p", [(1, 1.0), (2, 2.0), (4, 4.0)])], [1.0, 2.0, 4.0])
        dots = [(float(dot.get("cx")), float(dot.get("cy"))) for dot in
                xml.etree.ElementTree.fromstring(chart).iter("{http://www.w3.org/2000/svg}circle")]
        for axis in (0, 1):  # On logarithmic axes doublings are equally far apart.
            self.assertAlmostEqual(dots[1][axis] - dots[0][axis], dots[2][axis] - dots[1][axis], places=0)
        xml.etree.ElementTree.fromstring(charts.line_chart("one", "x", "y", [charts.Line("p", [(2, 1.0)])]))

    def test_bars_are_as_high_as_their_parts_together(self):
        tree = xml.etree.ElementTree.fromstring(charts.bar_chart("t", "ms", [("1", {"compute": 3.0, "input": 1.0}), ("2", {"compute": 2.0})]))
        bars = [bar for bar in tree.iter("{http://www.w3.org/2000/svg}rect") if bar.find("{http://www.w3.org/2000/svg}title") is not None]
        heights = [float(bar.get("height")) for bar in bars]
        self.assertAlmostEqual(heights[0] / heights[1], 3, places=1)
        self.assertAlmostEqual(float(bars[0].get("y")) - heights[1], float(bars[1].get("y")), places=0)

    def test_tables_leave_out_what_nobody_has(self):
        lines = tables.aligned([["a", "b", "c"], ["1", "", "3"], ["10", "", ""]])
        self.assertEqual(lines, ["|  a | c |", "| -: | : |", "|  1 | 3 |", "| 10 |   |"])


class Study(Case):
    def setUp(self):
        super().setUp()
        program(os.path.join(self.fake, "msn"), BENCH)
        program(os.path.join(self.fake, "mpirun"), MPIRUN)

    def command(self, *words):
        return [sys.executable, os.path.join(LAUNCH, "scaling-study"), *words, "--msn", "msn"]

    def study(self, *words, **environment):
        return self.run_in_work(self.command(*words), **environment)

    def calls(self):
        return self.note("calls").split("\n")[:-1]

    def benches(self):
        return [call for call in self.calls() if call.startswith("bench step")]

    def refused(self, code, pattern, *words, **environment):
        done = self.study(*words, **environment)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        self.assertRegex(done.stderr, rf"(?m)^scaling-study: error: .*{pattern}.*\n\Z")
        self.assertEqual(done.stderr.count("error:"), 1 if code == 2 else 2)

    def read(self, name):
        with open(os.path.join(self.work, "study", name), encoding="utf-8") as file:
            return file.read()

    def test_a_study_from_one_command(self):
        done = self.study(*STUDY, "--repeats", "2")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        # Points: (1, 4), (2, 4), (1, 8); each twice, all of them once before any is repeated; and sums of two ranks.
        steps = ["bench step 1", "bench step 2", "bench step 1"] * 2
        self.assertEqual([call for call in self.calls() if "plan" not in call], ["bench allreduce 2", *steps])
        rows = {(row["scaling"], row["ranks"]): row for row in csv.DictReader(self.read("points.csv").splitlines())}
        self.assertEqual(list(rows), [("weak", "1"), ("weak", "2"), ("strong", "1"), ("strong", "2")])
        weak, strong = rows["weak", "2"], rows["strong", "2"]
        self.assertAlmostEqual(float(weak["efficiency"]), 1 / 1.1, places=6)
        self.assertAlmostEqual(float(weak["speed_up"]), 2 / 1.1, places=6)
        self.assertAlmostEqual(float(strong["speed_up"]), 4.0 / 2.2, places=6)
        self.assertAlmostEqual(float(strong["efficiency"]), 4.0 / 2.2 / 2, places=6)
        self.assertEqual((weak["jobs"], weak["planned_step_seconds"], weak["planned_by"]), ("2", "2", "the other points"))
        self.assertAlmostEqual(float(weak["planned_memory_over_measured"]), 1.5)
        text = self.read("table.md")
        self.assertEqual(done.stdout[done.stdout.index("# Scaling study"):][:len(text)], text)
        for line in ("## config, weak, 4 images a rank", "- version of msn: 1 (abc)", "- processor: EPYC", "- threads of a rank: 1"):
            self.assertIn("\n" + line + "\n", text)
        self.assertEqual(len(self.read("steps.csv").splitlines()), 1 + 6 * 3)
        self.assertEqual(len(self.read("runs.jsonl").splitlines()), 7)
        for name in ("speed-up.svg", "efficiency.svg", "parts-1.svg", "parts-2.svg", "planned.svg"):
            xml.etree.ElementTree.fromstring(self.read(name))
        # Again there is nothing to start; nor with --collect-only, which makes the same.
        before = len(self.benches())
        for words in (["study"], STUDY, ["study", "--collect-only"]):
            self.assertEqual(self.study(*words).returncode, 0)
        self.assertEqual((len(self.benches()), self.read("table.md")), (before, text))

    def test_a_study_that_is_killed_goes_on(self):
        child = subprocess.Popen(self.command(*STUDY), cwd=self.work, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                                 env={**self.environment, "HANG_AT": "ranks-0001-batch-0008/job-1"})
        limit = time.monotonic() + 60
        while not self.note("hangs") and time.monotonic() < limit:
            time.sleep(0.05)
        hanging = int(self.note("hangs"))
        self.refused(2, "another scaling-study works in this folder", *STUDY)
        child.send_signal(signal.SIGKILL)
        child.wait()
        while os.path.exists(f"/proc/{hanging}") and time.monotonic() < limit:
            time.sleep(0.05)
        self.assertFalse(os.path.exists(f"/proc/{hanging}"), "what the study had started lives on")
        done = self.study("study", "--collect-only")
        self.assertEqual(done.returncode, 75, done.stdout + done.stderr)
        self.assertIn("1 of 4 jobs have no result yet", done.stdout)
        self.assertIn("Jobs without a result so far: 1.", self.read("table.md"))
        done = self.study("study")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertEqual(len(self.benches()), 4)  # The one that was killed, twice.
        self.assertNotIn("without a result", self.read("table.md"))

    def test_a_job_that_fails_ends_the_study_and_is_started_again(self):
        self.refused(78, "the job ended with 78: msn: error: played .*log.txt", *STUDY, FAIL_AT="ranks-0002-batch-0004/job-1")
        self.assertEqual(len(self.benches()), 2)
        done = self.study("study")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("again, for it ended with 78: msn: error: played", done.stdout)

    def test_a_study_grows_but_does_not_change(self):
        self.assertEqual(self.study(*STUDY).returncode, 0)
        self.refused(2, "began with steps 3, and now it would be 4 .study.json", "study", "--steps", "4")
        self.refused(2, "began with cpus per rank 1, and now it would be 2", "study", "--cpus-per-rank", "2")
        self.refused(2, "the study varied nothing, and now it would vary train.seed", "study", "--vary", "train.seed=1,2")
        self.file("config.toml", "# other\n")
        self.refused(2, "the configuration config is not the one that the study began with", *STUDY)
        done = self.study("study", "--ranks", "4", "--repeats", "2")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(len(self.benches()), 3 + 3 + 4)  # A second job of three points, and two of (4, 4) and (4, 2).
        rows = list(csv.DictReader(self.read("points.csv").splitlines()))
        self.assertEqual([row["ranks"] for row in rows], ["1", "2", "4"] * 2)

    def test_measurements_that_differ_are_refused(self):
        self.assertEqual(self.study(*STUDY).returncode, 0)
        for environment, text in (({"VERSION": "1 (def)"}, r"the version of msn is 1 \(def\), and 1 \(abc\) in .*job-1/result.json \(.*job-2"),
                                  ({"MODEL": "Xeon"}, "the processor is Xeon, and EPYC in ")):
            with self.subTest(text):
                self.refused(2, text, "study", "--repeats", "2", **environment)
                other = [path for path, _, files in os.walk(os.path.join(self.work, "study")) if path.endswith("job-2") and
                         "result.json" in files]
                self.assertEqual(len(other), 1)  # No further job was started.
                self.refused(2, text, "study", "--collect-only", **environment)
                os.remove(os.path.join(other[0], "result.json"))

    def test_several_models_and_busy_machines(self):
        words = ["study", "--config", "config.toml", "--ranks", "1,2", "--batch", "4", "--repeats", "1", "--steps", "3", "--warm-up", "1"]
        done = self.study(*words, "--vary", "model.patch_size=8,16", "--vary", 'views.random_scale=[0.3, 1.0],"x,y"')
        self.assertEqual(done.returncode, 0, done.stderr)
        text = self.read("table.md")
        self.assertEqual(text.count("\n## config, patch_size="), 4)
        self.assertIn("random_scale=[0.3, 1.0], weak", text)
        path = os.path.join(self.work, "study/runs", sweep.Point(sweep.Model("config", ("model.patch_size=8", 'views.random_scale="x,y"')),
                                                                "synthetic", 2, 4).folder, "job-1/result.json")
        with open(path, encoding="utf-8") as file:
            line = json.load(file)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({**line, "others_cpu_share": 0.2}, file)
        done = self.study("study")
        self.assertEqual(done.stdout.count("2200.0 *"), 1)
        self.assertIn("other processes used more than 5.0 % of a host's cores", done.stdout)
        before = len(self.benches())
        done = self.study("study", "--remeasure-busy")
        self.assertEqual((done.returncode, len(self.benches())), (0, before + 1), done.stderr)
        self.assertNotIn(" *", done.stdout)

    def test_plans_that_cannot_be_made_are_no_secret(self):
        done = self.study(*STUDY, PLAN_CODE="1")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("Not every point has a plan: msn plan ended with 1", self.read("table.md"))

    def test_schedulers_get_all_jobs_at_once(self):
        words = [*STUDY, "--scheduler", "slurm", "--time", "10m"]
        done = self.study(*words)
        self.assertEqual(done.returncode, 75, done.stdout + done.stderr)
        self.assertEqual(self.note("submitted"), "sbatch --parsable job.sh\n" * 4)
        self.assertEqual(self.study(*words).returncode, 75)
        self.assertEqual(self.note("submitted").count("\n"), 4)  # They are on their way.
        self.assertEqual(self.study(*words, "--resubmit").returncode, 75)
        self.assertEqual(self.note("submitted").count("\n"), 8)
        for path, _, files in os.walk(os.path.join(self.work, "study/runs")):
            if "job.sh" in files:
                ranks = "2" if "ranks-0002" in path else "1"
                job = self.run_in_work(["bash", "job.sh"], cwd=path, SLURM_JOB_ID="4711", RANKS=ranks)
                self.assertEqual(job.returncode, 0, job.stdout + job.stderr)
        self.assertEqual(self.study(*words).returncode, 0)
        self.assertEqual(self.note("submitted").count("\n"), 8)

    def test_dry_run_does_nothing(self):
        done = self.study(*STUDY, "--dry-run", "--gpus-per-node", "2", "--cpus-per-rank", "12", "--scheduler", "flux")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.count("\n"), 4)
        self.assertRegex(done.stdout.splitlines()[2], "^new: .*msn-launch --nodes 1 --ranks-per-node 2 --cpus-per-rank 12 --gpus-per-node 2 "
                         ".*--scheduler flux .*--command 'bench step' -- study/configs/config.toml --device cuda --batch 4 --steps 3 ")
        self.assertFalse(os.path.exists(os.path.join(self.work, "study")))

    def test_wrong_use(self):
        self.refused(2, "no configuration is named, and there is no study", "study", "--batch", "4")
        self.refused(2, "no batch to scale with", *STUDY[:5])
        self.refused(2, "4 ranks do not fill|cannot be shared evenly", *STUDY, "--ranks", "3")
        self.refused(2, "'0' is no whole number", *STUDY, "--ranks", "0,1")
        self.refused(2, "is not key=value", *STUDY, "--set", "nothing")
        self.refused(2, "has an empty value, or one twice", *STUDY, "--vary", "train.seed=1,1")
        self.refused(2, "cannot be read: No such file", *STUDY, "--config", "absent.toml")
        self.refused(2, "unrecognized arguments: --rank", *STUDY, "--rank", "2")
        self.refused(2, "4 ranks for 2 GPUs a node", *STUDY, "--gpus-per-node", "2", "--ranks-per-node", "4", "--cpus-per-rank", "1")
        self.refused(2, "one alone would starve its GPU", *STUDY, "--gpus-per-node", "2")
        self.file("a/config.toml", "")
        self.refused(2, "two configurations are named config", *STUDY, "--config", "a/config.toml")
        self.assertFalse(os.path.exists(os.path.join(self.work, "study")))
        self.file("study/study.json", "{}")
        self.refused(2, "this is no study that can be gone on with", *STUDY)
        self.assertEqual(self.calls(), [])


if __name__ == "__main__":
    unittest.main()
