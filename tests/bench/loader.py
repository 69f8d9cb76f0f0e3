#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much of a training run its input costs: `msn train` on packed images against the same run on made-up numbers.

    tests/bench/loader.py --data data/imagenet-sample
    tests/bench/loader.py --data data/imagenet-sample --ranks 2 --batch 8 --steps 8 --pairs 7

The two runs follow each other, pair after pair; first on the images, or, in every other pair, last. The first two steps of
a run do not count. A pair in which a rank got less than 95 % of its core in the others is repeated. Printed are images/s on images over
images/s on made-up numbers, and the share of the steps' time that the rank which waited longest waited for its batches.
"""
import argparse
import glob
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

LEAST_SHARE = 0.95
WARM_UP = 2


def cpu_seconds(folder):
    """CPU time of each process that trains into the folder, by process number."""
    seconds = {}
    for process in glob.glob("/proc/[0-9]*"):
        try:
            with open(process + "/cmdline", "rb") as file:
                words = file.read().decode(errors="replace").split("\0")
            with open(process + "/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
        except OSError:
            continue  # It has ended.
        if os.path.basename(words[0]) == "msn" and any(word.startswith(folder) for word in words):
            seconds[process] = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return seconds


def read_metrics(file):
    try:
        with open(file) as lines:
            return [json.loads(line) for line in lines if line.endswith("\n")]
    except FileNotFoundError:
        return []


def cpu_share(process, folder, metrics, last):
    """The least share of a core that a rank got from the end of the warm-up to step `last`, while the process runs."""
    begun = None
    while process.poll() is None:
        steps = len(read_metrics(metrics))
        if begun is None and steps >= WARM_UP:
            begun = time.perf_counter(), cpu_seconds(folder)
        if steps >= last:
            now, wall = cpu_seconds(folder), time.perf_counter() - begun[0]
            return min((now.get(rank, 0) - before) / wall for rank, before in begun[1].items())
        time.sleep(0.1)
    return 0


def run(args, source):
    """Images/s, share of the time waited for data, and share of the cores that the run got."""
    last = args.steps + WARM_UP
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(args.ranks), args.msn, "train", args.config,
                   "--run", os.path.join(folder, "run"), "--max-steps", str(last),
                   "--set", "train.global_batch=%d" % (args.ranks * args.batch), "--set", "runtime.threads=1"]
        command += ["--data", args.data] if source == "images" else ["--set", "data.input=synthetic"]
        metrics = os.path.join(folder, "run", "metrics.jsonl")
        with open(os.path.join(folder, "output"), "w+") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
            share = cpu_share(process, folder, metrics, last)
            if process.wait() != 0:
                output.seek(0)
                sys.exit("failed: %s\n%s" % (" ".join(command), output.read()))
        steps = read_metrics(metrics)[WARM_UP:]
    seconds = sum(args.ranks * args.batch / step["images_per_second"] for step in steps)
    return {"images_per_second": len(steps) * args.ranks * args.batch / seconds,
            "wait": sum(step["data_wait_seconds"] for step in steps) / seconds, "cpu_share": share}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of the packed data set")
    parser.add_argument("--msn", default="build/release/msn")
    parser.add_argument("--config", default="configs/vit_s16.toml")
    parser.add_argument("--scratch", help="where run folders are made for the time of a run")
    parser.add_argument("--ranks", type=int, default=2, help="of one thread each")
    parser.add_argument("--batch", type=int, default=8, help="images of a rank in a step")
    parser.add_argument("--steps", type=int, default=6, help="of a run that count, beside two that do not")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--most-tries", type=int, default=20, help="pairs tried before it gives up")
    args = parser.parse_args()
    ratios, waits = [], []
    for attempt in range(args.most_tries):
        order = ["images", "synthetic"] if attempt % 2 == 0 else ["synthetic", "images"]
        pair = {source: run(args, source) for source in order}
        images, synthetic = pair["images"], pair["synthetic"]
        kept = min(images["cpu_share"], synthetic["cpu_share"]) >= LEAST_SHARE
        ratio = images["images_per_second"] / synthetic["images_per_second"]
        print("images %.3f images/s, made up %.3f | ratio %.3f, waited %.3f %% | CPU shares %.0f %%, %.0f %%, load %.2f%s" % (
            images["images_per_second"], synthetic["images_per_second"], ratio, 100 * images["wait"],
            100 * images["cpu_share"], 100 * synthetic["cpu_share"], os.getloadavg()[0],
            "" if kept else " | repeated: too little CPU"), flush=True)
        if kept:
            ratios.append(ratio)
            waits.append(images["wait"])
        if len(ratios) == args.pairs:
            break
    else:
        sys.exit("only %d of %d pairs had their cores" % (len(ratios), args.pairs))
    for name, unit, values in (("images / made up", "", ratios), ("waited for data", " %", [100 * w for w in waits])):
        print("median of %d pairs, %s: %.3f%s (%.3f to %.3f)" % (
            len(values), name, statistics.median(values), unit, min(values), max(values)))


if __name__ == "__main__":
    main()
