#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What metrics and monitors cost a training step: one run with `runtime.tensorboard` and `runtime.monitors`, one without.

    tests/bench/metrics_cost.py
    tests/bench/metrics_cost.py --batch 8 --threads 2 --blocks 12 --set train.precision=bf16

Both runs, of one process on made-up numbers, live at the same time, but only one goes on while the other is stopped
(SIGSTOP): a block of steps of the one, a block of the other, the first of each pair in turn, so that both see the same
machine. The step that a stop falls into does not count. Steps are timed from the end of one to the end of the next
(`time` in metrics.jsonl), everything included. The first 20 steps do not count; blocks are of 50 steps, in each of which
the rank of the features is measured once. Printed are the time of a step in each run and their ratio: of all, and its 95 %
interval over resampled pairs.
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
        """Seconds of each of so many steps, and of one before them, which the last stop has stretched."""
        self.look()
        first = len(self.times)
        self.process.send_signal(signal.SIGCONT)
        while len(self.times) < first + steps + 1:
            time.sleep(0.05)
            self.look()
        self.process.send_signal(signal.SIGSTOP)
        ends = self.times[first:first + steps + 1]
        return [after - before for before, after in zip(ends, ends[1:])]

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
                seconds = {run.name: sum(run.go_on(args.steps)) / args.steps for run in order}
                pairs.append((seconds["with"], seconds["without"]))
                print("block %2d: %.2f ms with, %.2f ms without | ratio %.4f, load %.2f" % (
                    block + 1, 1e3 * pairs[-1][0], 1e3 * pairs[-1][1], pairs[-1][0] / pairs[-1][1], os.getloadavg()[0]),
                    flush=True)
        finally:
            for run in runs:
                run.end()

    def ratio(some):
        return sum(pair[0] for pair in some) / sum(pair[1] for pair in some)

    draws = sorted(ratio(random.Random(seed).choices(pairs, k=len(pairs))) for seed in range(2000))
    print("a step takes %.2f ms with metrics and monitors, %.2f ms without: %+.2f %% (95 %%: %+.2f %% to %+.2f %%; median of "
          "the blocks %+.2f %%)" % (
              1e3 * statistics.mean(pair[0] for pair in pairs), 1e3 * statistics.mean(pair[1] for pair in pairs),
              *(100 * (value - 1) for value in (ratio(pairs), draws[50], draws[-51],
                                                statistics.median(a / b for a, b in pairs)))))


if __name__ == "__main__":
    main()
