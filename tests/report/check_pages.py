#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Opens reports in Chromium at the widths of a desk and a phone, and looks whether they are drawn as they should be.

check_pages.py SCREENSHOTS NAME=PAGE.html=CHARTS...   (as many charts as `msn report` says that the page has)

Screenshots of all are left in the folder SCREENSHOTS.
"""
import os
import re
import shutil
import sys

sys.dont_write_bytecode = True
from browser import Browser, count_colour

WINDOWS = (("desk-light", 1280, 900), ("phone-dark", 390, 844))
LONGEST_SHOT = 16000  # Pixels; Chromium draws no larger pictures.

# Of every chart: is it visible, has it lines, has the script taken it up, do its numbers keep clear of each other?
CHARTS = """[...document.querySelectorAll('figure.chart')].map(chart => {
  const plot = chart.querySelector('.plot'), box = plot.getBoundingClientRect();
  const lines = [...chart.querySelectorAll('path.line')].filter(line => line.getTotalLength() > 0 ||
                                                                        chart.querySelector('path.dots'));
  const rows = kind => [...plot.querySelectorAll('span.' + kind)].map(tick => tick.getBoundingClientRect());
  // A strip of the page about a point of the first line, which is drawn last and must have its colour there.
  const strip = line => {
    const point = line.getPointAtLength(line.getTotalLength() / 2).matrixTransform(line.getScreenCTM());
    return {x: point.x + scrollX - 15, y: box.top + scrollY, width: 30, height: box.height};
  };
  const clash = (boxes, from, to) => boxes.some((a, i) => boxes.some((b, j) => i < j && a[from] < b[to] && b[from] < a[to]));
  return {
    id: chart.id, width: box.width, height: box.height, lines: lines.length, strip: lines.length ? strip(lines.at(-1)) : null,
    colour: lines.length ? getComputedStyle(lines.at(-1)).stroke : '', taken: plot.tabIndex === 0,
    described: !!chart.querySelector('svg title') && !!chart.querySelector('svg desc'),
    crowded: clash(rows('x'), 'left', 'right') || clash(rows('y'), 'top', 'bottom'),
    ticks: Math.min(rows('x').length, rows('y').length),
    outside: [...rows('x'), ...rows('y')].some(tick => tick.left < 0 || tick.right > innerWidth),
  };
})"""

# What reaches beyond the window although it is in no box that scrolls.
WIDER = """[...document.querySelectorAll('body *')].filter(element => {
  const box = element.getBoundingClientRect();
  return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1) && !element.closest('.scroll, nav, svg');
}).map(element => element.outerHTML.slice(0, 120))"""


def check_chart(browser, chart, complain):
    name = chart["id"]
    if chart["width"] < 150 or chart["height"] < 100:
        complain(f"{name} is {chart['width']:.0f} x {chart['height']:.0f} pixels small")
    if not chart["lines"]:
        complain(f"{name} has no line")
        return
    for key, meaning in (("taken", "the script did not take it up"), ("described", "it has no title and description")):
        if not chart[key]:
            complain(f"{name}: {meaning}")
    if chart["crowded"] or chart["outside"] or chart["ticks"] < 2:
        complain(f"{name}: its numbers overlap, leave the window, or are too few")
    colour = [int(value) for value in re.findall(r"\d+", chart["colour"])[:3]]
    seen = count_colour(browser.screenshot(chart["strip"]), colour)
    if seen < 10:
        complain(f"{name}: only {seen} pixels have the colour {chart['colour']} of its line")


def check_reading(browser, chart, complain):
    """Numbers appear under the pointer, and with the arrow keys, and go again."""
    browser.evaluate(f"(document.getElementById('{chart['id']}').scrollIntoView({{block: 'center', behavior: 'instant'}}), 0)")
    place = f"document.querySelector('#{chart['id']} .plot').getBoundingClientRect()"
    box = browser.evaluate(f"(b => ({{x: b.left, y: b.top, width: b.width, height: b.height}}))({place})")
    said = f"(t => t.hidden ? '' : t.textContent)(document.querySelector('#{chart['id']} .tip'))"
    browser.move_mouse(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    if not re.match(r"step \d+\S* \D*", browser.evaluate(said)):
        complain(f"{chart['id']} says '{browser.evaluate(said)}' under the pointer")
    browser.move_mouse(1, 1)
    if browser.evaluate(said):
        complain(f"{chart['id']} goes on when the pointer has left")
    browser.evaluate(f"(document.querySelector('#{chart['id']} .plot').focus(), 0)")
    browser.press("ArrowLeft")
    last = browser.evaluate(said)
    browser.press("ArrowLeft")
    if not last.startswith("step ") or browser.evaluate(said) == last:
        complain(f"{chart['id']} does not go from point to point with the arrow keys")
    browser.evaluate("(document.activeElement.blur(), 0)")


def check_page(browser, name, page, expected, shots):
    problems = []
    for window, width, height in WINDOWS:
        complain = lambda what: problems.append(f"{name}, {window}: {what}")
        dark = window.endswith("dark")
        browser.open(page, width, height, dark, phone=window.startswith("phone"))
        charts = browser.evaluate(CHARTS)
        if len(charts) != expected:
            complain(f"{len(charts)} charts, but msn report told of {expected}")
        if browser.evaluate("document.documentElement.scrollWidth") > width:
            complain("the page is wider than the window")
        for element in browser.evaluate(WIDER)[:3]:
            complain(f"wider than the window: {element}")
        for text in browser.evaluate("[...document.images].filter(i => !i.naturalWidth || !i.alt).map(i => i.alt)"):
            complain(f"a picture that cannot be seen, or is not described: '{text}'")
        for chart in charts:
            check_chart(browser, chart, complain)
        if charts:
            check_reading(browser, charts[0], complain)
        ground = browser.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)")
        if (sum(ground) < 384) != dark:
            complain(f"the ground is {ground}")
        for complaint in browser.complaints():
            complain(complaint)
        browser.evaluate("(scrollTo({top: 0, behavior: 'instant'}), 0)")
        whole = browser.evaluate("document.documentElement.scrollHeight")
        shot = browser.screenshot({"x": 0, "y": 0, "width": width, "height": min(whole, LONGEST_SHOT)})
        with open(os.path.join(shots, f"{name}-{window}.png"), "wb") as file:
            file.write(shot)
    return problems


def main():
    shots, pages = sys.argv[1], [argument.rsplit("=", 2) for argument in sys.argv[2:]]
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not program:
        sys.exit("FAIL: this test needs chromium: launch/setup --browser installs it")
    os.makedirs(shots, exist_ok=True)
    browser = Browser(program)
    try:
        problems = []
        for name, page, charts in pages:
            problems += check_page(browser, name, page, int(charts), shots)
            print(f"looked at {name}: {charts} charts", flush=True)
    finally:
        browser.close()
    for problem in problems:
        print("FAIL " + problem)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
