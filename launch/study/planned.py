# SPDX-License-Identifier: Apache-2.0
"""What `msn plan` says of each point, calibrated with what the study measured of the others."""
from __future__ import annotations

import json
import os
import subprocess

from . import jobs, results
from . import sweep as sweeps
from .scaling import Measured, Row

IMAGES = 10**9  # More than any batch: only the time of a step is asked for.


def write_calibration(folder: str, found: dict[sweeps.Point, Measured]) -> dict[sweeps.Point, str]:
    """The middle job's line of each point, in a file of its own."""
    os.makedirs(os.path.join(folder, "calibration"), exist_ok=True)
    files = {}
    for point, one in found.items():
        files[point] = os.path.join(folder, "calibration", point.folder.replace("/", "+") + ".json")
        results.write(files[point], json.dumps(one.middle) + "\n")
    return files


def others(point: sweeps.Point, files: dict[sweeps.Point, str]) -> tuple[list[str], str]:
    """The measurements to plan a point with: all but those of its model on as many ranks; where there are no others its own,
    which is then said."""
    rest = [file for other, file in files.items() if (other.model, other.ranks) != (point.model, point.ranks)]
    return (rest, "the other points") if rest else ([files[point]], "itself")


def command(row: Row, folder: str, settings: sweeps.Settings, program: list[str], target: list[str], files: list[str]) -> list[str]:
    """`target`: --gpu, and maybe --link."""
    point = row.measured.point
    data = "synthetic" if point.input == sweeps.SYNTHETIC else "images"
    return [*program, "plan", jobs.config_of(folder, point.model.config), *jobs.sets_of(settings, point), "--set",
            f"train.global_batch={point.ranks * point.batch}", "--set", f"data.input={data}", "--images", str(IMAGES), "--gpus",
            str(point.ranks), *target, "--gpus-per-node", str(settings.ranks_per_node or point.ranks),
            *[word for file in files for word in ("--calibrate", file)], "--json"]


def ask(words: list[str]) -> tuple[dict, str]:
    """The plan, or an empty one and why there is none."""
    try:
        done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              errors="replace")
    except OSError as error:
        return {}, f"{words[0]}: {error.strerror}"
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0 or not lines:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        return {}, (said or [f"msn plan ended with {done.returncode}"])[-1]
    line = json.loads(lines[-1])
    return {"seconds": line["step_seconds"], "memory": line["bench_memory_bytes"]}, ""


def add_plans(rows: list[Row], found: dict[sweeps.Point, Measured], folder: str, settings: sweeps.Settings, program: list[str],
              target: list[str], sums: list[str]) -> str:
    """Gives each row its plan. Returns why some have none; empty: all have one."""
    files = write_calibration(folder, found)
    known: dict[sweeps.Point, tuple[dict, str]] = {}
    problem = ""
    for row in rows:
        point = row.measured.point
        if point not in known:
            calibration, by = others(point, files)
            plan, why = ask(command(row, folder, settings, program, target, [*calibration, *sums]))
            known[point] = ({**plan, "by": by} if plan else {}, why)
        row.planned = known[point][0]
        problem = problem or known[point][1]
    return problem
