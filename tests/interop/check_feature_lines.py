# SPDX-License-Identifier: Apache-2.0
"""Runs the lines of the documentation and compares what they read with the .npy files: check_feature_lines.py LINES."""

import csv
import sys

import h5py
import numpy

read = {}
with open(sys.argv[1], encoding="utf-8") as lines:
    exec(compile(lines.read(), sys.argv[1], "exec"), read)


def expect(what, found, expected):
    if found != expected:
        sys.exit(f"FAIL: {what}: {found} instead of {expected}")


array = numpy.load("shapes.npy")
expect("type", (array.dtype.str, array.flags.c_contiguous), ("<f4", True))
expect("shape", array.shape, (60, 32))
expect("rows", (read["features"] == array).all(), True)
expect("spread", bool((array.std(axis=0) > 1e-4).all()), True)
with open("shapes.csv", encoding="utf-8", newline="") as file:
    entries = list(csv.reader(file))
expect("names", [entry[0] for entry in entries], list(read["names"]))
expect("classes", [entry[1] for entry in entries], [read["classes"][label] for label in read["labels"]])
expect("classes by name", [name.split("/")[0] for name in read["names"]], [entry[1] for entry in entries])
with h5py.File("shapes.h5") as file:
    facts = dict(file.attrs)
expect("facts", [facts[name].decode() for name in ("network", "layer", "blocks", "final_norm")],
       ["target", "2", "1", "after"])
expect("version", int(facts["format_version"]), 1)
first, both = numpy.load("first.npy"), numpy.load("both.npy")
expect("the first of two blocks", (both[:, :32] == first).all(), True)
# A layer norm of weight 1 and bias 0, as it is at the beginning of a run but for one step's warm-up.
last = both[:, 32:].astype("f8")
normed = (last - last.mean(axis=1, keepdims=True)) / numpy.sqrt(last.var(axis=1, keepdims=True) + 1e-6)
expect("the norm of the last block", bool(numpy.abs(normed - array).max() < 1e-2), True)
print(f"{len(array)} rows read by the documented lines agree with the .npy file")
