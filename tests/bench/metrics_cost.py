#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What metrics and monitors cost a training step: one run with `runtime.tensorboard` and `runtime.monitors`, one without.

    tests/bench/metrics_cost.py
    tests/bench/metrics_cost.py --batch 8 --threads 2 --blocks 12 --set train.precision=bf16
    tests/bench/metrics_cost.py --batch 2 --blocks 20 \
        --set model.arch=custom --set model.width=384 --set model.depth=1 --set model.heads=6

Both runs, of one process on made-up numbers, live at the same time, but only one goes on while the other is stopped
(SIGSTOP): a block of steps of the one, a block of the other, the first of each pair in turn, so that both see the same
machine. The step that a stop falls into does not count. Steps are timed from the end of one to the end of the next
(`time` in metrics.jsonl), everything included. The first 20 steps do not count; blocks are of 50 steps, in each of which
the rank of the features is measured once. A pair in which a process had less than 95 % of its cores is repeated. Printed are
the time of a step in each run, their difference and their ratio: of all, and the 95 % intervals over resampled pairs. The
difference does not depend on the network's depth: where steps vary by more than what is looked for, those of a shallow
network tell it (the last command).
"""
import argparse
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time

WARM_UP = 20


class Run:
    """A training that goes on while it is asked for steps."""

    def __init__(self, args, folder, name, switch):
        self.name, self.folder = name, os.path.join(folder, name)
        self.output = open(self.folder + ".output", "w+")
        self.read, self.times = None, []  # Of each step, when it was over.
        command = [args.msn, "train", args.config, "--run", self.folder, "--max-steps", "1000000"]
        settings = ["data.input=synthetic", "checkpoint.every_steps=0", "runtime.watchdog=0",
                    "train.global_batch=%d" % args.batch, "runtime.threads=%d" % args.threads,
                    "runtime.tensorboard=" + switch, "runtime.monitors=" + switch] + args.set
        for setting in settings:
            command += ["--set", setting]
        self.process = subprocess.Popen(command, stdout=self.output, stderr=subprocess.STDOUT)

    def look(self):
        """Reads the lines that have come since the last look."""
        if self.process.poll() is not None:
            self.output.seek(0)
            sys.exit("the run %s has ended:\n%s" % (self.name, self.output.read()))
        if self.read is None:
            try:
                self.read = open(os.path.join(self.folder, "metrics.jsonl"))
            except FileNotFoundError:
                return
        while True:
            place = self.read.tell()
            line = self.read.readline()
            if not line.endswith("\n"):
                self.read.seek(place)
                return
            self.times.append(json.loads(line)["time"])

    def go_on(self, steps):
        """Seconds of each of so many steps, and of one before them, which the last stop has stretched; and the cores that
        the process had meanwhile."""
        self.look()
        first = len(self.times)
        began, cpu = time.monotonic(), self.cpu_seconds()
        self.process.send_signal(signal.SIGCONT)
        while len(self.times) < first + steps + 1:
            time.sleep(0.05)
            self.look()
        self.process.send_signal(signal.SIGSTOP)
        cores = (self.cpu_seconds() - cpu) / (time.monotonic() - began)
        ends = self.times[first:first + steps + 1]
        return [after - before for before, after in zip(ends, ends[1:])], cores

    def cpu_seconds(self):
        with open("/proc/%d/stat" % self.process.pid) as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()
        self.output.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--msn", default="build/release/msn")
    parser.add_argument("--config", default="configs/vit_s16.toml")
    parser.add_argument("--set", action="append", default=[], help="a key of the configuration, in both runs")
    parser.add_argument("--scratch", help="where run folders are made for the time of the measurement")
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, default=50, help="of a block")
    parser.add_argument("--blocks", type=int, default=10, help="of each run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        runs = []
        try:
            for name, switch in (("with", "true"), ("without", "false")):
                runs.append(Run(args, folder, name, switch))
                runs[-1].go_on(WARM_UP)
            pairs = []
            for block in range(args.blocks):
                order = runs if block % 2 == 0 else runs[::-1]
                while True:
                    seconds, cores = {}, {}
                    for run in order:
                        of_steps, cores[run.name] = run.go_on(args.steps)
                        seconds[run.name] = sum(of_steps) / args.steps
                    enough = min(cores.values()) >= 0.95 * args.threads
                    print("block %2d: %.2f ms with, %.2f ms without | ratio %.4f, load %.2f, cores %.2f and %.2f%s" % (
                        block + 1, 1e3 * seconds["with"], 1e3 * seconds["without"], seconds["with"] / seconds["without"],
                        os.getloadavg()[0], cores["with"], cores["without"], "" if enough else ": too few, once more"),
                        flush=True)
                    if enough:
                        break
                pairs.append((seconds["with"], seconds["without"]))
        finally:
            for run in runs:
                run.end()

    def interval(figure):
        """Of all pairs, and the 95 % interval over pairs that are drawn again."""
        draws = sorted(figure(random.Random(seed).choices(pairs, k=len(pairs))) for seed in range(2000))
        return figure(pairs), draws[50], draws[-51]

    print("a step takes %.2f ms with metrics and monitors, %.2f ms without: %+.2f ms (95 %%: %+.2f to %+.2f), %+.2f %% (95 %%: "
          "%+.2f to %+.2f; median of the blocks %+.2f)" % (
              1e3 * statistics.mean(pair[0] for pair in pairs), 1e3 * statistics.mean(pair[1] for pair in pairs),
              *interval(lambda some: 1e3 * statistics.mean(a - b for a, b in some)),
              *interval(lambda some: 100 * (sum(a for a, _ in some) / sum(b for _, b in some) - 1)),
              100 * (statistics.median(a / b for a, b in pairs) - 1)))


if __name__ == "__main__":
    main()
