# SPDX-License-Identifier: Apache-2.0
"""The lines that runs have left, and that all of them may stand in one table: same program, machine and settings."""
from __future__ import annotations

import json
import os

from scheduler.refusal import Refusal

from . import sweep as sweeps

RESULT = "result.json"
BUSY = 0.05  # Of a host's cores, used by other processes: from here on a measurement says little.
REMEDY = "measurements that differ in it do not mix: take another folder, or remove the runs of one side"
# Of a line's provenance. Hosts may differ, but not by what they are.
SAME = {"version": "version of msn", "torch": "LibTorch", "mpi": "MPI", "instruction_set": "instruction set",
        "processor": "kind of processor", "gemm": "back end of matrix products", "device": "device"}
NEEDED = ("command", "ranks", "global_batch", "steps", "warm_up", "threads", "step_seconds", "step_seconds_p10",
          "step_seconds_p90", "breakdown", "peak_memory_bytes", "flops_per_second", "others_cpu_share", "each_step_seconds",
          "provenance", "config")


def read_line(path: str) -> dict | None:
    """The one line of a result; None if there is none yet."""
    try:
        with open(path, encoding="utf-8") as file:
            line = json.load(file)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Refusal(f"the result cannot be read: {error.strerror}", path, "look at its rights") from None
    except ValueError as error:
        raise Refusal(f"this is no result of msn bench: {error}", path, "remove it; the study then measures it anew") from None
    if not isinstance(line, dict) or "provenance" not in line:
        raise Refusal("this is no result of msn bench", path, "remove it; the study then measures it anew")
    return line


def check_step(line: dict, point: sweeps.Point, settings: sweeps.Settings, path: str) -> None:
    """Refuses a line that is not of the point, or not by the settings."""
    for name in NEEDED:
        if name not in line:
            raise Refusal(f'the result has no "{name}"', path, "remove it, and measure with the msn of this checkout")
    wanted = {"command": "bench step", "ranks": point.ranks, "global_batch": point.ranks * point.batch,
              "steps": settings.steps, "warm_up": settings.warm_up}
    if not settings.gpus_per_node:
        wanted["threads"] = settings.cpus_per_rank
    for name, value in wanted.items():
        if line[name] != value:
            raise Refusal(f"{name.replace('_', ' ')} is {line[name]} instead of {value}", path, REMEDY)


def what_must_be_same(line: dict) -> dict[str, object]:
    """By what people call it."""
    origin = line["provenance"]
    same = {words: origin.get(name, "") for name, words in SAME.items()}
    hosts = origin.get("hosts", [])
    for name, words in (("processor", "processor"), ("device", "kind of GPU")):
        kinds = sorted({str(host.get(name, "")) for host in hosts} - {"cpu"})
        same[words] = ", ".join(kinds)
    for name, value in origin.get("environment", {}).items():
        same[f"variable {name}"] = value
    return same


def is_busy(line: dict) -> bool:
    """Whether other processes took the cores while steps were measured."""
    return line.get("others_cpu_share", 0) > BUSY


class Alike:
    """Refuses the first line that is not like the first one of all."""

    def __init__(self) -> None:
        self.first: tuple[str, dict[str, object]] | None = None
        self.digests: dict[tuple[sweeps.Model, str], tuple[str, str]] = {}

    def add(self, line: dict, path: str, point: sweeps.Point | None = None) -> None:
        """`point` None: a sum over ranks, which has neither a configuration nor matrix products. Steps come first."""
        same = what_must_be_same(line)
        if self.first is None and point is not None:
            self.first = (path, same)
        if self.first is None:
            return
        before, theirs = self.first
        for what in dict.fromkeys([*theirs, *same]):
            if what == SAME["gemm"] and point is None:
                continue
            here, there = same.get(what, "not set"), theirs.get(what, "not set")
            if here != there:
                raise Refusal(f"the {what} is {here}, and {there} in {before}", path, REMEDY)
        if point is None:
            return
        digest = line["provenance"]["settings_digest"]
        other, expected = self.digests.setdefault((point.model, point.input), (path, digest))
        if digest != expected:
            raise Refusal(f"the configuration is not that of {other} (settings_digest)", path, REMEDY)


def steps_csv(lines: dict[str, dict]) -> str:
    """Every step of every run."""
    text = "run,step,seconds\n"
    for run, line in lines.items():
        text += "".join(f"{run},{i},{seconds:.9g}\n" for i, seconds in enumerate(line["each_step_seconds"], 1))
    return text


def write(path: str, text: str) -> None:
    """Whole or not at all."""
    partial = f"{path}.{os.getpid()}"
    try:
        with open(partial, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        raise Refusal(f"cannot write: {error.strerror}", path, "look at the rights and the free space") from None
