#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How much of a training run its input costs: `msn train` on packed images against the same run on made-up numbers.

    tests/bench_loader.py --data data/imagenet-sample
    tests/bench_loader.py --data data/imagenet-sample --ranks 2 --batch 8 --steps 8 --pairs 7

The two runs follow each other, pair after pair; first on the images, or, in every other pair, last. A pair in which a run
got less than 95 % of its cores is repeated. The first two steps of a run do not count. Printed are images/s on images over
images/s on made-up numbers, and the share of the steps' time that the rank which waited longest waited for its batches.
"""
import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time

LEAST_SHARE = 0.95
WARM_UP = 2


def run(args, source):
    """Images/s, share of the time waited for data, and share of the cores that the run got."""
    with tempfile.TemporaryDirectory(dir=args.scratch) as folder:
        command = ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", str(args.ranks), args.msn, "train", args.config,
                   "--run", os.path.join(folder, "run"), "--max-steps", str(args.steps + WARM_UP),
                   "--set", "train.global_batch=%d" % (args.ranks * args.batch), "--set", "runtime.threads=1"]
        command += ["--data", args.data] if source == "images" else ["--set", "data.input=synthetic"]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0:
            sys.exit("failed: %s\n%s" % (" ".join(command), done.stdout))
        with open(os.path.join(folder, "run", "metrics.jsonl")) as file:
            steps = [json.loads(line) for line in file][WARM_UP:]
    seconds = sum(args.ranks * args.batch / step["images_per_second"] for step in steps)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"images_per_second": len(steps) * args.ranks * args.batch / seconds,
            "wait": sum(step["data_wait_seconds"] for step in steps) / seconds, "cpu_share": cpu / wall / args.ranks}


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
