// SPDX-License-Identifier: Apache-2.0
// A chart of series over steps as HTML: lines in SVG that stretch to any width, numbers and legend as text around them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/axis.hpp"
#include "report/thin.hpp"

namespace msn {

struct ChartLine {
  std::string name;
  std::size_t style = 0;  ///< Colour and dashes, as kChartStyles counts them.
  ThinSeries series;
  std::optional<double> last;  ///< The newest value, for the legend.
};

/// Distinct looks of lines: colours, then the same colours dashed.
inline constexpr std::size_t kChartColours = 6;
inline constexpr std::size_t kChartStyles = 2 * kChartColours;

/// A value that the lines may be compared with, drawn from side to side.
struct ChartReference {
  std::string name;
  double value = 0;
};

/// A step that something happened at.
struct ChartMark {
  enum class Kind { restart, collapse };
  std::string name;
  double step = 0;
  Kind kind = Kind::restart;
};

struct Chart {
  std::string id;     ///< Of the element; plain ASCII, one of a page.
  std::string title;  ///< "Learning rate"
  std::string says;   ///< One or two sentences for readers.
  std::string unit;   ///< "nats"; may be empty.
  Scale scale = Scale::linear;
  bool cuts_peaks = false;       ///< Few points far above all others may leave the picture, which then says so.
  std::vector<ChartLine> lines;  ///< Each with points.
  std::vector<ChartReference> references;
  std::vector<ChartMark> marks;
  std::uint64_t not_finite = 0;  ///< Values that cannot be drawn.
};

/// A <figure>. `steps` is the axis that all charts share. The values' axis holds the lines; the bands of smallest and
/// largest values, and references, are drawn as far as they lie in it.
std::string chart_html(const Chart& chart, const Axis& steps);

}  // namespace msn
