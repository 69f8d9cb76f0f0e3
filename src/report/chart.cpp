// SPDX-License-Identifier: Apache-2.0
#include "report/chart.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/quantile.hpp"
#include "report/html.hpp"

namespace msn {
namespace {

constexpr double kBox = 10000;              // Side of the SVG's box; places are whole numbers in it.
constexpr double kBeyond = 2 * kBox;        // As far outside as a place may lie; the picture cuts it off.
constexpr std::size_t kFewPoints = 40;      // So many get a dot each.
constexpr double kTellsMarksApart = 0.005;  // Of the width.
constexpr double kNearReference = 0.35;     // A reference stretches the axis by no more than this share.

using html::escape;

struct Place {
  long x, y;
};

Place place_of(double step, double value, const Axis& steps, const Axis& values) {
  const double x = std::clamp(steps.place(step), -1.0, 2.0);
  const double y = std::clamp(values.place(value), -1.0, 2.0);
  return {std::lround(kBox * x), std::lround(std::clamp(kBox * (1 - y), -kBeyond, kBeyond))};
}

/// Path data: from place to place, each relative to the last.
std::string path_of(const std::vector<Place>& places) {
  std::string path;
  Place last{0, 0};
  for (const Place& place : places) {
    const bool first = path.empty();
    path += first ? "M" : "l";
    path += std::to_string(place.x - last.x) + " " + std::to_string(place.y - last.y);
    last = place;
  }
  return path;
}

/// Paths without length, whose round ends are dots of any width of the picture.
std::string dots_of(const std::vector<Place>& places) {
  std::string path;
  for (const Place& place : places)
    path += "M" + std::to_string(place.x) + " " + std::to_string(place.y) + "h0";
  return path;
}

bool drawable(const ThinPoint& point, const Axis& values) {
  return values.scale == Scale::linear || point.mean > 0;
}

std::string style_of(std::size_t style) {
  return "s" + std::to_string(style % kChartColours) + (style / kChartColours % 2 == 1 ? " dash" : "");
}

/// Where the axis of a chart with few high peaks ends, so that these do not press all else to the ground: at twice what
/// 97 of 100 points of its highest line do not pass, if the largest lies beyond twice that again; else at the largest.
double end_below_peaks(const Chart& chart, double largest) {
  double usual = 0;
  for (const ChartLine& line : chart.lines) {
    std::vector<double> means;
    for (const ThinPoint& point : line.series.points)
      means.push_back(point.mean);
    usual = std::max(usual, quantile(std::move(means), 0.97));
  }
  return usual > 0 && largest > 4 * usual ? 2 * usual : largest;
}

Axis axis_of(const Chart& chart) {
  double low = std::numeric_limits<double>::infinity();
  double high = -low;
  for (const ChartLine& line : chart.lines) {
    for (const ThinPoint& point : line.series.points) {
      if (chart.scale == Scale::logarithmic && point.mean <= 0) continue;
      low = std::min(low, point.mean);
      high = std::max(high, point.mean);
    }
  }
  if (low > high) return value_axis(0, 1, Scale::linear);
  if (chart.cuts_peaks && low >= 0) high = end_below_peaks(chart, high);
  for (const ChartReference& reference : chart.references) {
    const double reach = kNearReference * std::max(high - low, std::abs(high));
    if (reference.value > high && reference.value - high <= reach) high = reference.value;
    if (reference.value < low && low - reference.value <= reach &&
        (chart.scale == Scale::linear || reference.value > 0))
      low = reference.value;
  }
  // A logarithmic axis tells little more over less than two decades.
  const bool wide = chart.scale == Scale::logarithmic && high >= 100 * low;
  return value_axis(low, high, wide ? Scale::logarithmic : Scale::linear);
}

/// The band between smallest and largest values, where points stand for several.
std::string band_svg(const ChartLine& line, const Axis& steps, const Axis& values) {
  const ThinSeries& series = line.series;
  if (series.bucket == 1) return {};
  std::vector<Place> outline;
  for (const ThinPoint& point : series.points) {
    if (drawable(point, values)) outline.push_back(place_of(point.step, point.high, steps, values));
  }
  for (auto point = series.points.rbegin(); point != series.points.rend(); ++point) {
    if (drawable(*point, values)) outline.push_back(place_of(point->step, point->low, steps, values));
  }
  return "<path class=\"band " + style_of(line.style) + "\" d=\"" + path_of(outline) + "z\"/>";
}

std::string line_svg(const ChartLine& line, const Axis& steps, const Axis& values) {
  std::vector<Place> places;
  for (const ThinPoint& point : line.series.points) {
    if (drawable(point, values)) places.push_back(place_of(point.step, point.mean, steps, values));
  }
  if (places.empty()) return {};
  const std::string style = style_of(line.style);
  std::string svg =
      "<path class=\"line " + style + "\" data-name=\"" + escape(line.name) + "\" d=\"" + path_of(places) + "\"/>";
  if (places.size() <= kFewPoints) svg += "<path class=\"dots " + style + "\" d=\"" + dots_of(places) + "\"/>";
  return svg;
}

/// A chart's content in words, for those who do not see it.
std::string description(const Chart& chart) {
  std::string text = chart.says;
  for (const ChartLine& line : chart.lines) {
    const auto& points = line.series.points;
    const auto [least, most] =
        std::minmax_element(points.begin(), points.end(), [](const auto& a, const auto& b) { return a.mean < b.mean; });
    text += " " + line.name + ": " + html::number(points.front().mean) + " at step " +
            html::number(points.front().step, 12) + ", " + html::number(points.back().mean) + " at step " +
            html::number(points.back().step, 12) + ", smallest " + html::number(least->mean) + ", largest " +
            html::number(most->mean) + ".";
  }
  return text;
}

std::string percent(double share) {
  char text[32];
  std::snprintf(text, sizeof text, "%.3f%%", 100 * share);
  return text;
}

std::string grid_svg(const Axis& steps, const Axis& values) {
  std::string path;
  for (const Tick& tick : values.ticks)
    path += "M0 " + std::to_string(place_of(steps.low, tick.value, steps, values).y) + "h10000";
  return "<path class=\"grid\" d=\"" + path + "\"/>";
}

std::string kind_of(const ChartMark& mark) {
  return mark.kind == ChartMark::Kind::restart ? "restart" : "collapse";
}

/// A mark that is drawn, for itself and those right behind it.
struct Mark {
  ChartMark first;
  double x;
  std::size_t more;
};

/// The marks within the axis of steps, of those of a kind too near to be told apart the first: a run may have a hundred
/// lives at one step.
std::vector<Mark> distinct_marks(const Chart& chart, const Axis& steps) {
  std::vector<ChartMark> sorted = chart.marks;
  std::stable_sort(sorted.begin(), sorted.end(), [](const ChartMark& a, const ChartMark& b) {
    return a.kind != b.kind ? a.kind < b.kind : a.step < b.step;
  });
  std::vector<Mark> marks;
  for (const ChartMark& mark : sorted) {
    const double x = steps.place(mark.step);
    if (!(x >= 0 && x <= 1)) continue;
    if (!marks.empty() && marks.back().first.kind == mark.kind && x - marks.back().x < kTellsMarksApart) {
      ++marks.back().more;
    } else {
      marks.push_back({mark, x, 0});
    }
  }
  return marks;
}

/// References and marks with their names, as lines of the SVG and as text over it.
struct Notes {
  std::string svg, text;
};

Notes notes_of(const Chart& chart, const Axis& steps, const Axis& values) {
  Notes notes;
  for (const ChartReference& reference : chart.references) {
    const double y = values.place(reference.value);
    if (!(y >= 0 && y <= 1)) continue;
    notes.svg += "<path class=\"reference\" d=\"M0 " + std::to_string(std::lround(kBox * (1 - y))) + "h10000\"/>";
    notes.text += "<span class=\"reference " + std::string(y > 0.9 ? "below" : "above") +
                  "\" style=\"bottom:" + percent(y) + "\">" + escape(reference.name) + "</span>";
  }
  for (const Mark& mark : distinct_marks(chart, steps)) {
    notes.svg += "<path class=\"mark " + kind_of(mark.first) + "\" d=\"M" + std::to_string(std::lround(kBox * mark.x)) +
                 " 0v10000\"><title>" + escape(mark.first.name) +
                 (mark.more > 0 ? ", and " + std::to_string(mark.more) + " more" : "") + "</title></path>";
  }
  return notes;
}

std::string legend_html(const Chart& chart) {
  std::string out = "<ul class=\"legend\">";
  for (const ChartLine& line : chart.lines) {
    out += "<li><i class=\"" + style_of(line.style) + "\"></i>" + escape(line.name);
    if (line.last) out += " <b>" + html::number(*line.last) + "</b>";
    out += "</li>";
  }
  for (const ChartMark::Kind kind : {ChartMark::Kind::restart, ChartMark::Kind::collapse}) {
    const auto mark =
        std::find_if(chart.marks.begin(), chart.marks.end(), [&](const ChartMark& one) { return one.kind == kind; });
    if (mark != chart.marks.end())
      out += "<li><i class=\"mark " + kind_of(*mark) + "\"></i>" + kind_of(*mark) + "</li>";
  }
  return out + "</ul>";
}

/// How the lines were thinned, and what they leave out.
std::string small_print(const Chart& chart, const Axis& values) {
  std::uint64_t widest = 1;
  std::uint64_t beyond = 0;
  for (const ChartLine& line : chart.lines) {
    widest = std::max(widest, line.series.bucket);
    for (const ThinPoint& point : line.series.points)
      beyond += point.mean > values.high;
  }
  std::string text = "A point is a step.";
  if (widest > 1) {
    text = "A point is the mean of " + html::number(static_cast<double>(widest), 12) +
           " steps, in the band of their range.";
  }
  if (beyond > 0) {
    text += " " + html::number(static_cast<double>(beyond), 12) + (beyond == 1 ? " peak leaves" : " peaks leave") +
            " the picture.";
  }
  if (chart.not_finite > 0) {
    text += " " + html::number(static_cast<double>(chart.not_finite), 12) +
            (chart.not_finite == 1 ? " value is" : " values are") + " not finite and cannot be drawn.";
  }
  return "<p class=\"small\">" + text + "</p>";
}

}  // namespace

std::string chart_html(const Chart& chart, const Axis& steps) {
  const Axis values = axis_of(chart);
  const Notes notes = notes_of(chart, steps, values);
  std::string svg = grid_svg(steps, values) + notes.svg;
  for (const ChartLine& line : chart.lines)
    svg += band_svg(line, steps, values);
  // The first line lies on top, and is narrower, so that one right below it shows as a rim.
  for (auto line = chart.lines.rbegin(); line != chart.lines.rend(); ++line)
    svg += line_svg(*line, steps, values);

  std::string ticks;
  for (const Tick& tick : values.ticks)
    ticks += "<span class=\"y\" style=\"bottom:" + percent(values.place(tick.value)) + "\">" + tick.label + "</span>";
  for (const Tick& tick : steps.ticks)
    ticks += "<span class=\"x\" style=\"left:" + percent(steps.place(tick.value)) + "\">" + tick.label + "</span>";

  char range[200];
  std::snprintf(range, sizeof range,
                "data-x0=\"%.17g\" data-x1=\"%.17g\" data-y0=\"%.17g\" data-y1=\"%.17g\" data-log=\"%d\"", steps.low,
                steps.high, values.low, values.high, values.scale == Scale::logarithmic ? 1 : 0);
  const std::string unit = chart.unit.empty() ? "" : " <small>" + escape(chart.unit) + "</small>";
  return "<figure class=\"chart\" id=\"" + chart.id + "\">\n<figcaption><h3>" + escape(chart.title) + unit +
         "</h3><p>" + escape(chart.says) + "</p>" + legend_html(chart) + "</figcaption>\n<div class=\"plot\" " + range +
         "><svg viewBox=\"0 0 10000 10000\" preserveAspectRatio=\"none\" role=\"img\" aria-labelledby=\"" + chart.id +
         "-t " + chart.id + "-d\"><title id=\"" + chart.id + "-t\">" + escape(chart.title) + "</title><desc id=\"" +
         chart.id + "-d\">" + escape(description(chart)) + "</desc>" + svg + "</svg>" + ticks + notes.text +
         "</div>\n" + small_print(chart, values) + "</figure>\n";
}

}  // namespace msn
