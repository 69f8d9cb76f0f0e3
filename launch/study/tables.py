# SPDX-License-Identifier: Apache-2.0
"""The tables of a study: Markdown, which reads as plain text, and CSV. Pure functions."""
from __future__ import annotations

import csv
import io
from typing import Callable

from .results import BUSY, what_must_be_same
from .scaling import PARTS, Row

GIB = 1 << 30
DEFINITIONS = """\
A step's time is that of the slowest rank; of a point the median over jobs of each job's median step (p10 and p90 likewise), and
in brackets the least and greatest job. Warm-up steps do not count. Efficiency is images/s for each rank over that of the
baseline, the fewest ranks of the series: weak scaling T(p0) / T(p), strong scaling p0 T(p0) / (p T(p)). Parts of a step are means
over steps and ranks; `exchange` is what of the sums over ranks nothing hides, waiting for slower ranks included. Planned is what
`msn plan --calibrate` says from the other points' measurements, with its ratio to what was measured. Memory is the peak of the
largest rank."""
Column = tuple[str, Callable[[Row], object]]


def percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"


def ratio(planned: float | None, measured: float) -> float | None:
    return None if planned is None else planned / measured


def part(name: str) -> Callable[[Row], object]:
    return lambda row: row.measured.parts.get(name)


COLUMNS: list[Column] = [
    ("model", lambda row: row.series.model.name),
    ("input", lambda row: row.series.input),
    ("scaling", lambda row: row.series.scaling),
    ("ranks", lambda row: row.measured.point.ranks),
    ("nodes", lambda row: row.nodes),
    ("images_a_rank", lambda row: row.measured.point.batch),
    ("global_batch", lambda row: row.measured.point.ranks * row.measured.point.batch),
    ("jobs", lambda row: row.measured.jobs),
    ("step_seconds", lambda row: row.measured.seconds),
    ("step_seconds_least_job", lambda row: row.measured.least),
    ("step_seconds_greatest_job", lambda row: row.measured.most),
    ("step_seconds_p10", lambda row: row.measured.p10),
    ("step_seconds_p90", lambda row: row.measured.p90),
    ("images_per_second", lambda row: row.measured.images_per_second),
    ("baseline_ranks", lambda row: row.base),
    ("speed_up", lambda row: row.speed_up),
    ("efficiency", lambda row: row.efficiency),
    ("efficiency_least", lambda row: row.efficiency_least),
    ("efficiency_greatest", lambda row: row.efficiency_most),
    ("efficiency_of_one_node", lambda row: row.efficiency_of_node),
    *[(f"{name}_seconds", part(name)) for name in PARTS],
    ("flops_per_second", lambda row: row.measured.flops),
    ("peak_memory_bytes", lambda row: row.measured.memory),
    ("planned_step_seconds", lambda row: row.planned.get("seconds")),
    ("planned_over_measured", lambda row: ratio(row.planned.get("seconds"), row.measured.seconds)),
    ("planned_memory_bytes", lambda row: row.planned.get("memory")),
    ("planned_memory_over_measured", lambda row: ratio(row.planned.get("memory"), row.measured.memory)),
    ("planned_by", lambda row: row.planned.get("by")),
    ("others_cpu_share", lambda row: row.measured.others),
    ("load_average", lambda row: row.measured.load),
]


def points_csv(rows: list[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([name for name, _ in COLUMNS])
    for row in rows:
        values = [value(row) for _, value in COLUMNS]
        writer.writerow(["" if one is None else f"{one:.9g}" if isinstance(one, float) else one for one in values])
    return text.getvalue()


SPEEDS = ["ranks", "images a rank", "step ms", "least, greatest job", "p10", "p90", "images/s", "speed-up", "efficiency", "by jobs", "of one node"]
WHERE = ["ranks", *PARTS, "memory GiB", "planned ms", "planned GiB"]


def speeds(row: Row) -> list[str]:
    one = row.measured
    mark = " *" if one.others > BUSY else ""
    return [str(one.point.ranks), str(one.point.batch), f"{1e3 * one.seconds:.1f}{mark}",
            f"[{1e3 * one.least:.1f}, {1e3 * one.most:.1f}]", f"{1e3 * one.p10:.1f}", f"{1e3 * one.p90:.1f}",
            f"{one.images_per_second:.2f}", f"{row.speed_up:.3f}", percent(row.efficiency),
            f"[{percent(row.efficiency_least)}, {percent(row.efficiency_most)}]", percent(row.efficiency_of_node)]


def where(row: Row) -> list[str]:
    """Where time and memory go, and what was planned, with its ratio to what was measured."""
    one = row.measured
    whole = sum(one.parts.values()) or 1
    planned, memory = row.planned.get("seconds"), row.planned.get("memory")
    return [str(one.point.ranks), *[percent(one.parts[name] / whole) if name in one.parts else "" for name in PARTS],
            f"{one.memory / GIB:.2f}", "" if planned is None else f"{1e3 * planned:.1f} ({planned / one.seconds:.2f})",
            "" if memory is None else f"{memory / GIB:.2f} ({memory / one.memory:.2f})"]


def aligned(table: list[list[str]]) -> list[str]:
    """Lines of a Markdown table; columns in which nothing stands are left out."""
    kept = [i for i in range(len(table[0])) if any(line[i] for line in table[1:])]
    widths = [max(len(line[i]) for line in table) for i in kept]
    lines = ["| " + " | ".join(line[i].rjust(width) for i, width in zip(kept, widths)) + " |" for line in table]
    return [lines[0], "| " + " | ".join("-" * (width - 1) + ":" for width in widths) + " |", *lines[1:]]


def surroundings(line: dict) -> list[str]:
    same = what_must_be_same(line)
    return [f"- {what}: {value}" for what, value in same.items() if value] + [f"- threads of a rank: {line['threads']}"]


def markdown(rows: list[Row], first_line: dict, missing: int, why_unplanned: str) -> str:
    """All of the study as a text."""
    text = ["# Scaling study", "", DEFINITIONS, "", *surroundings(first_line), ""]
    for series in dict.fromkeys(row.series for row in rows):
        mine = [row for row in rows if row.series == series]
        least, most = (of(row.measured.jobs for row in mine) for of in (min, max))
        text += [f"## {series.name}", "", f"Baseline: {mine[0].base} {'rank' if mine[0].base == 1 else 'ranks'}. Jobs of a point: "
                 f"{least if least == most else f'{least} to {most}'}.", "",
                 *aligned([SPEEDS, *[speeds(row) for row in mine]]), "", *aligned([WHERE, *[where(row) for row in mine]]), ""]
    if any(row.measured.others > BUSY for row in rows):
        text += [f"\\* Measured while other processes used more than {percent(BUSY)} of a host's cores: such times say little.", ""]
    if any(row.planned.get("by") == "itself" for row in rows):
        text += ["Some plans rest on the very point that they are for, as nothing else was measured.", ""]
    if why_unplanned:
        text += [f"Not every point has a plan: {why_unplanned}", ""]
    if missing:
        text += [f"Jobs without a result so far: {missing}.", ""]
    return "\n".join(text)
