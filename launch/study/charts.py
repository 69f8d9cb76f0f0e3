# SPDX-License-Identifier: Apache-2.0
"""Charts as SVG texts, which any browser shows: lines over ranks, and bars of parts. Pure functions."""
from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Callable
from xml.sax.saxutils import escape

from .scaling import PARTS, Row

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 70, 20, 40, 60
# Okabe and Ito, "Color Universal Design": told apart by all eyes.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"]


@dataclass
class Line:
    name: str
    points: list[tuple[float, float]]
    ranges: list[tuple[float, float]] = field(default_factory=list)  # Of each point, least and greatest; empty: none.
    dashed: bool = False
    colour: int | None = None  # Of COLOURS; None: one of its own.


def number(value: float) -> str:
    return f"{value:.4g}"


def ticks(top: float) -> list[float]:
    """From 0 to `top` or a little more, at 1, 2 or 5 times a power of ten."""
    raw = top / 5
    power = 10 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    return [i * step for i in range(math.ceil(top / step - 1e-9) + 1)]


def doublings(least: float, most: float) -> list[float]:
    """Powers of two that hold both, at least two."""
    low, high = math.floor(math.log2(least) + 1e-9), math.ceil(math.log2(most) - 1e-9)
    return [2.0**i for i in range(low, max(high, low + 1) + 1)]


class Canvas:
    """An SVG with a title, axes and a legend below: names, colours, and whether their lines are dashed."""

    def __init__(self, title: str, legend: list[tuple[str, str, bool]]):
        self.height = HEIGHT + 18 * len(legend)
        self.parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" '
                      f'height="{self.height}" font-family="sans-serif" font-size="12">',
                      f"<title>{escape(title)}</title>", f'<rect width="{WIDTH}" height="{self.height}" fill="white"/>']
        self.text(WIDTH / 2, 22, title, "middle", 15)
        for i, (name, colour, dashed) in enumerate(legend):
            y = HEIGHT + 18 * i
            self.line(LEFT, y - 4, LEFT + 24, y - 4, colour, 3 if dashed else 8, dashed)
            self.text(LEFT + 30, y, name)

    def text(self, x: float, y: float, text: str, anchor: str = "start", size: int = 12) -> None:
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="{size}">{escape(text)}</text>')

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str, width: float = 1, dashed: bool = False) -> None:
        dash = ' stroke-dasharray="5 4"' if dashed else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
                          f'stroke-width="{width}"{dash}/>')

    def bar(self, x: float, y: float, width: float, height: float, colour: str, what: str) -> None:
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{max(height, 0):.1f}" fill="{colour}">'
                          f"<title>{escape(what)}</title></rect>")

    def dot(self, x: float, y: float, colour: str, what: str) -> None:
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"><title>{escape(what)}</title></circle>')

    def vertical_axis(self, values: list[float], name: str) -> Callable[[float], float]:
        """Draws it, with a line for each value; logarithmic if it does not begin at 0. Returns what turns a value into a
        height."""
        bottom, span = HEIGHT - BOTTOM, HEIGHT - BOTTOM - TOP

        def place(value: float) -> float:
            if values[0] == 0:
                return bottom - span * value / values[-1]
            return bottom - span * math.log(value / values[0]) / math.log(values[-1] / values[0])

        for value in values:
            self.line(LEFT, place(value), WIDTH - RIGHT, place(value), "#dddddd")
            self.text(LEFT - 6, place(value) + 4, number(value), "end")
        self.parts.append(f'<text transform="translate(16 {TOP + span / 2:.0f}) rotate(-90)" text-anchor="middle">'
                          f"{escape(name)}</text>")
        return place

    def svg(self) -> str:
        return "\n".join([*self.parts, "</svg>", ""])


def line_chart(title: str, horizontal: str, vertical: str, lines: list[Line], values: list[float] | None = None) -> str:
    """Over ranks, on a logarithmic axis. `values` of the vertical axis: from 0 on if there are none. At least one line with
    a point."""
    colours = [COLOURS[(i if line.colour is None else line.colour) % len(COLOURS)] for i, line in enumerate(lines)]
    canvas = Canvas(title, [(line.name, colour, line.dashed) for line, colour in zip(lines, colours)])
    xs = sorted({x for line in lines for x, _ in line.points})
    highest = max(max([y for _, y in line.points] + [most for _, most in line.ranges]) for line in lines)
    place_y = canvas.vertical_axis(values or ticks(highest), vertical)
    low, high = math.log2(xs[0]), math.log2(xs[-1])

    def place_x(x: float) -> float:
        share = 0.5 if high == low else (math.log2(x) - low) / (high - low)
        return LEFT + 30 + share * (WIDTH - RIGHT - LEFT - 60)

    for x in xs:
        canvas.text(place_x(x), HEIGHT - BOTTOM + 18, number(x), "middle")
    canvas.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - BOTTOM + 36, horizontal, "middle")
    for line, colour in zip(lines, colours):
        places = [(place_x(x), place_y(y)) for x, y in line.points]
        for (x1, y1), (x2, y2) in zip(places, places[1:]):
            canvas.line(x1, y1, x2, y2, colour, 2, line.dashed)
        for (x, _), (least, most) in zip(places, line.ranges):
            canvas.line(x, place_y(least), x, place_y(most), colour, 1)
        for (x, y), (ranks, value) in zip(places, line.points):
            canvas.dot(x, y, colour, f"{line.name}: {number(ranks)}: {number(value)}")
    return canvas.svg()


def bar_chart(title: str, vertical: str, groups: list[tuple[str, dict[str, float]]]) -> str:
    """A bar a group, of parts that lie on each other. At least one group with a part that is not 0."""
    names = [name for name in PARTS if any(name in parts for _, parts in groups)]
    colour = {name: COLOURS[PARTS.index(name)] for name in names}
    canvas = Canvas(title, [(name, colour[name], False) for name in names])
    place = canvas.vertical_axis(ticks(max(sum(parts.values()) for _, parts in groups)), vertical)
    room = (WIDTH - RIGHT - LEFT) / len(groups)
    for i, (group, parts) in enumerate(groups):
        below = 0.0
        for name in names:
            value = parts.get(name, 0)
            canvas.bar(LEFT + room * (i + 0.15), place(below + value), room * 0.7, place(below) - place(below + value),
                       colour[name], f"{group}: {name} {number(value)}")
            below += value
        canvas.text(LEFT + room * (i + 0.5), HEIGHT - BOTTOM + 18, group, "middle", 12 if len(groups) < 12 else 8)
    return canvas.svg()


def of_study(rows: list[Row]) -> dict[str, str]:
    """File names and texts. At least one row."""
    all_series = list(dict.fromkeys(row.series for row in rows))
    by_series = [(series, [row for row in rows if row.series == series]) for series in all_series]

    def lines(value: Callable[[Row], float], ranges: Callable[[Row], tuple[float, float]] | None = None) -> list[Line]:
        return [Line(series.name, [(row.measured.point.ranks, value(row)) for row in mine],
                     [ranges(row) for row in mine] if ranges else []) for series, mine in by_series]

    ranks = sorted({row.measured.point.ranks for row in rows})
    ideal = Line("as many times as there are ranks", [(n, n / ranks[0]) for n in ranks], dashed=True, colour=-2)
    speed_ups = [*[row.speed_up for row in rows], ranks[-1] / ranks[0]]
    efficiencies = lines(lambda row: row.efficiency, lambda row: (row.efficiency_least, row.efficiency_most))
    files = {"speed-up.svg": line_chart("Speed-up", "ranks", "images/s over the baseline's",
                                        [*lines(lambda row: row.speed_up), ideal], doublings(min(speed_ups), max(speed_ups))),
             "efficiency.svg": line_chart("Efficiency", "ranks", "images/s of a rank over the baseline's", efficiencies)}
    for i, (series, mine) in enumerate(by_series, 1):
        groups = [(str(row.measured.point.ranks), {name: 1e3 * seconds for name, seconds in row.measured.parts.items()})
                  for row in mine]
        files[f"parts-{i}.svg"] = bar_chart(f"A step's time by ranks: {series.name}", "ms", groups)
    both = []
    for i, (series, mine) in enumerate(by_series):
        mine = [row for row in mine if row.planned.get("seconds")]
        if mine:
            both += [Line(f"{series.name}: measured", [(row.measured.point.ranks, 1e3 * row.measured.seconds) for row in mine],
                          [(1e3 * row.measured.least, 1e3 * row.measured.most) for row in mine], colour=i),
                     Line(f"{series.name}: planned", [(row.measured.point.ranks, 1e3 * row.planned["seconds"]) for row in mine],
                          dashed=True, colour=i)]
    if both:
        files["planned.svg"] = line_chart("Measured and planned", "ranks", "ms a step", both)
    return files
