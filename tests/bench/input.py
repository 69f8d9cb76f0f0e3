#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Races `msn bench input` against torchvision and Pillow: JPEG bytes to the 12 views of MSN, one thread each.

Needs Python with torch, torchvision, Pillow and h5py, and a data set made by `msn pack` from whole photographs:

    tests/bench/input.py --data data/imagenet-sample --pairs 7
    tests/bench/input.py --data data/imagenet-sample --pairs 7 --two-threads   # one process of 2 against 2 of 1

The two run in turn, pair after pair. A pair in which one of them had less than 95 % of its cores is repeated. Rates are
images per second of CPU time; what counts is the median of the pairs' ratios.
"""
import argparse
import glob
import io
import json
import os
import statistics
import subprocess
import sys
import time

os.environ["OMP_NUM_THREADS"] = "1"
LEAST_SHARE = 0.95


def read_images(data, count):
    """The encoded images of a packed data set, in order."""
    import h5py

    images = []
    for shard in sorted(glob.glob(os.path.join(data, "*.h5"))):
        with h5py.File(shard, "r") as file:
            offset, raw = file["offset"][:], file["bytes"]
            images += [raw[offset[i]:offset[i + 1]].tobytes() for i in range(min(len(offset) - 1, count - len(images)))]
    return images


def run_peer(data, count):
    """The same work by torchvision on Pillow; prints one line of JSON."""
    import PIL
    import torch
    import torchvision
    from PIL import Image, ImageFilter
    from torchvision import transforms as T

    torch.set_num_threads(1)
    torch.manual_seed(0)

    class Blur:
        def __call__(self, image):
            if torch.rand(1).item() < 0.5:
                return image
            return image.filter(ImageFilter.GaussianBlur(0.1 + 1.9 * torch.rand(1).item()))

    def view(size, scale, strength=0.5):
        jitter = T.ColorJitter(0.8 * strength, 0.8 * strength, 0.8 * strength, 0.2 * strength)
        return T.Compose([T.RandomResizedCrop(size, scale=scale), T.RandomHorizontalFlip(),
                          T.RandomApply([jitter], p=0.8), T.RandomGrayscale(p=0.2), Blur()])

    images = read_images(data, count)
    large, focal = view(224, (0.3, 1.0)), view(96, (0.05, 0.3))
    wall, cpu = time.perf_counter(), time.process_time()
    for encoded in images:
        image = Image.open(io.BytesIO(encoded)).convert("RGB")
        for _ in range(2):
            large(image)
        for _ in range(10):
            focal(image)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"images_per_cpu_second": len(images) / cpu, "cpu_share": cpu / wall,
                      "versions": "Pillow %s, torchvision %s" % (PIL.__version__, torchvision.__version__)}))


def last_json(process):
    out, _ = process.communicate()
    if process.returncode != 0:
        sys.exit("failed: " + " ".join(process.args))
    return json.loads(out.strip().splitlines()[-1])


def start(command):
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def msn_command(args, threads):
    return [args.msn, "bench", "input", "--data", args.data, "--images", str(args.images), "--threads", str(threads),
            "--repeats", str(args.repeats), "--json"]


def peer_pair(args):
    ours = last_json(start(msn_command(args, 1)))
    peer = last_json(start([sys.executable, __file__, "--as-peer", "--data", args.data, "--images", str(args.images)]))
    shares = [ours["pixels"]["cpu_share"], ours["patch_rows"]["cpu_share"], peer["cpu_share"]]
    rates = [ours[key]["images_per_cpu_second"] for key in ("pixels", "patch_rows")]
    text = "msn %7.1f 8-bit, %7.1f float32 patch rows; peer %6.1f images/s of CPU (%s)" % (
        *rates, peer["images_per_cpu_second"], peer["versions"])
    return shares, [rate / peer["images_per_cpu_second"] for rate in rates], text


def thread_pair(args):
    together = last_json(start(msn_command(args, 2)))
    apart = [last_json(process) for process in [start(msn_command(args, 1)) for _ in range(2)]]
    shares = [together["pixels"]["cpu_share"]] + [one["pixels"]["cpu_share"] for one in apart]
    two, sum_of_ones = together["pixels"]["images_per_second"], sum(o["pixels"]["images_per_second"] for o in apart)
    text = "two threads %7.1f, two processes %7.1f images/s, 8-bit" % (two, sum_of_ones)
    return shares, [two / sum_of_ones], text


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="folder of the packed data set")
    parser.add_argument("--msn", default="build/release/msn")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=1, help="times that msn goes over the images in a pair")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--most-tries", type=int, default=40, help="pairs tried before it gives up")
    parser.add_argument("--two-threads", action="store_true", help="one process of two threads against two of one")
    parser.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.as_peer:
        return run_peer(args.data, args.images)
    ratios = []
    for _ in range(args.most_tries):
        shares, pair, text = (thread_pair if args.two_threads else peer_pair)(args)
        kept = min(shares) >= LEAST_SHARE
        print("%s | ratio %s | CPU shares %s, load %.2f%s" % (
            text, ", ".join("%.3f" % r for r in pair), ", ".join("%.0f %%" % (100 * s) for s in shares),
            os.getloadavg()[0], "" if kept else " | repeated: too little CPU"), flush=True)
        if kept:
            ratios.append(pair)
        if len(ratios) == args.pairs:
            break
    else:
        sys.exit("only %d of %d pairs had their cores" % (len(ratios), args.pairs))
    names = ["two threads / two processes"] if args.two_threads else ["8-bit views", "float32 patch rows"]
    for name, column in zip(names, zip(*ratios)):
        print("median of %d pairs, %s: %.3f (%.3f to %.3f)" % (
            len(column), name, statistics.median(column), min(column), max(column)))


if __name__ == "__main__":
    main()
