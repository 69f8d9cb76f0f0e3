#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What coupling two ranks costs: their speed over the summed speed of two independent runs of one rank.

    tests/bench/ranks.py
    tests/bench/ranks.py --pairs 7 --steps 8 --data data/imagenet-sample

ViT-S/16, 8 images and one thread a rank, on made-up numbers unless --data names a packed data set. The coupled run and the
two independent ones, which start together, follow each other, pair after pair; in every other pair the independent ones
come first. A pair in which a process got less than 95 % of a core is repeated. The first two steps of a run do not count.
Printed are the ratio, the time a step that the sum of the gradients took, and the part of it that no computation hid.
"""
import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

LEAST_SHARE = 0.95
WARM_UP = 2


def as_rank(share_folder, command):
    """Runs one rank and writes down the share of a core that it got."""
    start = time.perf_counter()
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    share = (usage.ru_utime + usage.ru_stime) / (time.perf_counter() - start)
    with open(os.path.join(share_folder, str(os.getpid())), "w") as file:
        file.write(str(share))
    return os.waitstatus_to_exitcode(status)


def start(args, folder, name, ranks):
    run = os.path.join(folder, name)
    command = [sys.executable, os.path.abspath(__file__), "--as-rank", os.path.join(folder, "shares"), args.msn, "train",
               args.config, "--run", run, "--max-steps", str(args.steps + WARM_UP),
               "--set", "train.global_batch=%d" % (ranks * args.batch), "--set", "runtime.threads=1"]
    command += ["--data", args.data] if args.data else ["--set", "data.input=synthetic"]
    command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(ranks)] + command
    return run, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def finish(args, run, process, ranks):
    """Images/s of a run, and seconds a step of the sum of the gradients: all, and what was not hidden."""
    out, _ = process.communicate()
    if process.returncode != 0:
        sys.exit("failed: %s\n%s" % (" ".join(process.args), out))
    with open(os.path.join(run, "metrics.jsonl")) as file:
        steps = [json.loads(line) for line in file][WARM_UP:]
    seconds = sum(ranks * args.batch / step["images_per_second"] for step in steps)
    means = [statistics.mean(step[key] for step in steps) for key in ("reduce_seconds", "reduce_wait_seconds")]
    return len(steps) * ranks * args.batch / seconds, means


def measure(args, runs):
    """(images/s, seconds of the sums, least share of a core) of `runs`, a list of numbers of ranks, started together."""
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        os.mkdir(os.path.join(folder, "shares"))
        started = [start(args, folder, "run%d" % i, ranks) for i, ranks in enumerate(runs)]
        results = [finish(args, run, process, ranks) for (run, process), ranks in zip(started, runs)]
        shares = []
        for name in os.listdir(os.path.join(folder, "shares")):
            with open(os.path.join(folder, "shares", name)) as file:
                shares.append(float(file.read()))
    if len(shares) != sum(runs):
        sys.exit("%d processes ran instead of %d" % (len(shares), sum(runs)))
    return sum(rate for rate, _ in results), results[0][1], min(shares)


def main():
    if sys.argv[1:2] == ["--as-rank"]:
        sys.exit(as_rank(sys.argv[2], sys.argv[3:]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of a packed data set; without it made-up numbers")
    parser.add_argument("--msn", default="build/release/msn")
    parser.add_argument("--config", default="configs/vit_s16.toml")
    parser.add_argument("--scratch", help="where run folders are made for the time of a run")
    parser.add_argument("--batch", type=int, default=8, help="images of a rank in a step")
    parser.add_argument("--steps", type=int, default=8, help="of a run that count, beside two that do not")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--most-tries", type=int, default=30, help="pairs tried before it gives up")
    args = parser.parse_args()
    ratios, hidden = [], []
    for attempt in range(args.most_tries):
        order = [[2], [1, 1]] if attempt % 2 == 0 else [[1, 1], [2]]
        measured = {len(runs): measure(args, runs) for runs in order}
        (coupled, (reduce, exposed), share), (apart, _, other_share) = measured[1], measured[2]
        kept = min(share, other_share) >= LEAST_SHARE
        print("coupled %6.2f, apart %6.2f images/s, ratio %.3f | gradients %.1f ms a step, exposed %.1f ms | "
              "least CPU shares %.0f %% and %.0f %%, load %.2f%s" % (
                  coupled, apart, coupled / apart, 1e3 * reduce, 1e3 * exposed, 100 * share, 100 * other_share,
                  os.getloadavg()[0], "" if kept else " | repeated: too little CPU"), flush=True)
        if kept:
            ratios.append(coupled / apart)
            hidden.append((reduce, exposed))
        if len(ratios) == args.pairs:
            break
    else:
        sys.exit("only %d of %d pairs had their cores" % (len(ratios), args.pairs))
    print("median of %d pairs, coupled / apart: %.3f (%.3f to %.3f); gradients %.1f ms a step, exposed %.1f ms" % (
        len(ratios), statistics.median(ratios), min(ratios), max(ratios),
        1e3 * statistics.median(h[0] for h in hidden), 1e3 * statistics.median(h[1] for h in hidden)))


if __name__ == "__main__":
    main()
