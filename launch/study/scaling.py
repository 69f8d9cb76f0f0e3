# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of a scaling study: from the lines of `msn bench step` to speed-up and efficiency. Pure functions.

With T(p) the seconds of a step on p ranks, the slowest rank's, and p0 the ranks of the baseline:
weak scaling, the images of a rank stay:   efficiency T(p0) / T(p);
strong scaling, the images of all stay:    speed-up T(p0) / T(p), efficiency p0 T(p0) / (p T(p)).
Both are: speed-up S is the ratio of the images/s, efficiency S p0 / p."""
from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from . import sweep as sweeps

PARTS = ("compute", "optimizer", "exchange", "input", "other", "device")


@dataclass
class Measured:
    """A point by all its jobs: medians over jobs of what each says of its steps."""

    point: sweeps.Point
    jobs: int
    seconds: float  # The median step, of the slowest rank.
    least: float  # Of the jobs' medians.
    most: float
    p10: float
    p90: float
    parts: dict[str, float]  # Seconds a step, the mean over steps and ranks.
    memory: float  # Peak bytes of the largest rank, the most of all jobs.
    flops: float  # A second, of all ranks.
    others: float  # Share of a host's cores that other processes used, the most of all jobs.
    load: float  # Load average before the steps, the most of all jobs.
    middle: dict  # The line of the job whose median step is the middle one, for msn plan --calibrate.

    @property
    def images_per_second(self) -> float:
        return self.point.ranks * self.point.batch / self.seconds


@dataclass
class Row:
    """A point in its series."""

    series: sweeps.Series
    nodes: int
    measured: Measured
    base: int  # Ranks of the baseline.
    speed_up: float
    efficiency: float
    efficiency_least: float  # By the jobs that differ most.
    efficiency_most: float
    efficiency_of_node: float | None = None  # Against one full node, on several.
    planned: dict = field(default_factory=dict)  # What msn plan says: seconds, memory, by.


def measured(point: sweeps.Point, lines: list[dict]) -> Measured:
    """At least one line."""
    lines = sorted(lines, key=lambda line: line["step_seconds"])
    middle = lines[(len(lines) - 1) // 2]

    def median(name: str) -> float:
        return statistics.median(line[name] for line in lines)

    parts = {part: statistics.median(line["breakdown"][part] for line in lines)
             for part in PARTS if all(part in line["breakdown"] for line in lines)}
    return Measured(point, len(lines), median("step_seconds"), lines[0]["step_seconds"], lines[-1]["step_seconds"],
                    median("step_seconds_p10"), median("step_seconds_p90"), parts,
                    max(line["peak_memory_bytes"] for line in lines), median("flops_per_second"),
                    max(line["others_cpu_share"] for line in lines),
                    max(line["provenance"]["load_average"]["before"] for line in lines), middle)


def speed_up(base: Measured, other: Measured) -> float:
    return other.images_per_second / base.images_per_second


def efficiency(base: Measured, other: Measured) -> float:
    return speed_up(base, other) * base.point.ranks / other.point.ranks


def rows(settings: sweeps.Settings, sweep: sweeps.Sweep, found: dict[sweeps.Point, Measured]) -> list[Row]:
    """Of the points that were measured. The baseline of a series is its point of fewest ranks."""
    result = []
    for series in sweeps.series(settings, sweep):
        of_series = [found[series.point(ranks)] for ranks in sweep.ranks if series.point(ranks) in found]
        if not of_series:
            continue
        base = of_series[0]
        node = next((one for one in of_series if one.point.ranks == settings.ranks_per_node), None)
        for one in of_series:
            value = efficiency(base, one)
            spread = (1, 1) if one is base else (base.least / base.seconds * one.seconds / one.most,
                                                 base.most / base.seconds * one.seconds / one.least)
            row = Row(series, sweeps.nodes_of(settings, one.point.ranks)[0], one, base.point.ranks, speed_up(base, one), value,
                      value * spread[0], value * spread[1])
            if node is not None and row.nodes > 1:
                row.efficiency_of_node = efficiency(node, one)
            result.append(row)
    return result
