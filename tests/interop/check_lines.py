# SPDX-License-Identifier: Apache-2.0
"""Runs the lines of the documentation and compares what they read with what msn says: check_lines.py LINES.

The working directory holds data/shapes, facts.json (msn inspect --statistics --json) and list.csv (msn subset).
"""

import collections
import csv
import json
import math
import sys

read = {}
with open(sys.argv[1], encoding="utf-8") as lines:
    exec(compile(lines.read(), sys.argv[1], "exec"), read)
with open("facts.json", encoding="utf-8") as file:
    facts = json.load(file)
with open("data/shapes/dataset.json", encoding="utf-8") as file:
    classes = json.load(file)["classes"]
names, labels, files, images = list(read["names"]), list(read["labels"]), read["files"], read["images"]


def expect(what, found, expected):
    if found != expected:
        sys.exit(f"FAIL: {what}: h5py reads {found}, msn says {expected}")


expect("images", len(images), facts["images"])
expect("names", len(set(names)), facts["images"])
expect("bytes", sum(len(one) for one in files), facts["bytes"])
members = collections.Counter(classes[label] for label in labels)
expect("classes", dict(members), {one["name"]: one["images"] for one in facts["classes"]})
expect("classes by name", [name.split("/")[0] for name in names], [classes[label] for label in labels])
expect("short sides", [min(min(one.size) for one in images), max(min(one.size) for one in images)],
       [facts["short_side"]["least"], facts["short_side"]["greatest"]])

# How often each level occurs decides mean and deviation: they agree only if Pillow and msn decode the same pixels.
levels = [sum(one.histogram()[i] for one in images) for i in range(768)]
statistics = facts["statistics"]
expect("pixels", sum(levels[:256]), statistics["pixels"])
for channel in range(3):
    counts = levels[256 * channel : 256 * (channel + 1)]
    mean = sum(level * count for level, count in enumerate(counts)) / sum(counts)
    variance = sum((level - mean) ** 2 * count for level, count in enumerate(counts)) / sum(counts)
    for what, found in (("mean", mean / 255), ("std", math.sqrt(variance) / 255)):
        if not math.isclose(found, statistics[what][channel], rel_tol=1e-12):
            sys.exit(f"FAIL: {what} of channel {channel}: Pillow {found}, msn {statistics[what][channel]}")

with open("list.csv", encoding="utf-8", newline="") as file:
    entries = list(csv.reader(line for line in file if not line.startswith("#")))
expect("entries of the list", len(entries), 3 * len(classes))
label_of = dict(zip(names, labels))
expect("classes of the list", [entry[1] for entry in entries], [classes[label_of[entry[0]]] for entry in entries])
print(f"{len(images)} images read by the documented lines agree with msn")
