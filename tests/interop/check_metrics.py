# SPDX-License-Identifier: Apache-2.0
"""Runs the documented lines of FILE in the folder of a run and compares what they read with metrics.jsonl:
check_metrics.py FILE"""
import json
import math
import sys

import numpy
import pandas

names = {}
with open(sys.argv[1], encoding="utf-8") as lines:
    exec(compile(lines.read(), sys.argv[1], "exec"), names)

with open("runs/first/metrics.jsonl", encoding="utf-8") as file:
    steps = [json.loads(line) for line in file]
assert [step["step"] for step in steps] == list(range(1, 131)), "a step is missing or there twice"
assert sum("feature_rank" in step for step in steps) >= 1, "the rank of the features was never measured"


def equal(got, want):
    """Of numbers; None is what JSON has for one that is not finite, or nothing at all."""
    return not math.isfinite(got) if want is None else got == want


# pandas: the table, and the table that msn inspect makes.
metrics = names["metrics"]
for table in (metrics, pandas.read_csv("runs/first.csv").set_index("step")):
    assert list(table.index) == list(range(1, 131))
    for step in steps:
        row = table.loc[step["step"]]
        for name in ("epoch", "loss", "cross_entropy", "me_max", "lr", "mean_entropy", "max_target", "images_per_second"):
            assert equal(row[name], step[name]), (step["step"], name)
        assert equal(row["feature_rank"], step.get("feature_rank")), step["step"]
assert names["mean_loss"] == metrics["loss"].tail(100).mean()

# TensorBoard: every scalar has every step once, as a float32 of the number in the line.
events = names["events"]
tags = set(events.Tags()["scalars"])
assert {"loss/loss", "loss/me_max", "schedule/lr", "collapse/feature_rank", "speed/images_per_second"} <= tags, tags
compared = 0
for tag in tags:
    name = tag.split("/")[1]
    want = [(step["step"], numpy.float32(step[name])) for step in steps if name in step]
    got = [(event.step, numpy.float32(event.value)) for event in events.Scalars(tag)]
    assert got == want, (tag, got[:3], want[:3], len(got), len(want))
    compared += len(got)
assert names["loss"] == [(event.step, event.value) for event in events.Scalars("loss/loss")]
print("pandas and TensorBoard read 130 steps, %d numbers of %d tags" % (compared, len(tags)))
