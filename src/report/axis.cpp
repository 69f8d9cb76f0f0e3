// SPDX-License-Identifier: Apache-2.0
#include "report/axis.hpp"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>

#include "base/error.hpp"

namespace msn {
namespace {

/// 1, 2 or 5 times a power of ten, so that about `ticks` of it make up `span`.
double nice_distance(double span, int ticks) {
  const double raw = span / ticks;
  const double power = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (raw <= factor * power * (1 + 1e-9)) return factor * power;
  }
  return 10 * power;
}

/// `value` with as many digits as tell it from its neighbour at `distance`.
std::string label_of(double value, double distance) {
  const double size = std::abs(value);
  char text[48];
  if (size < distance * 1e-6) return "0";
  if (size >= 1e4 && distance >= 1 && size < 1e15) {
    const auto [unit, name] = size >= 1e9   ? std::pair{1e9, "G"}
                              : size >= 1e6 ? std::pair{1e6, "M"}
                                            : std::pair{1e3, "k"};
    const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(distance / unit) - 1e-9)));
    if (decimals > 1) {
      std::snprintf(text, sizeof text, "%.0f", value);  // As short, where so many digits tell neighbours apart.
    } else {
      std::snprintf(text, sizeof text, "%.*f%s", decimals, value / unit, name);
    }
    return text;
  }
  const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(distance) - 1e-9)));
  if (decimals > 4 || size >= 1e15) {
    const int digits = static_cast<int>(std::floor(std::log10(size)) - std::floor(std::log10(distance) + 1e-9));
    std::snprintf(text, sizeof text, "%.*e", std::clamp(digits, 0, 6), value);
    // "2e-04" as "2e-4".
    std::string label = text;
    const std::size_t sign = label.find('e') + 1;
    while (label.size() > sign + 2 && label[sign + 1] == '0')
      label.erase(sign + 1, 1);
    return label;
  }
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  return text;
}

void put_linear_ticks(Axis& axis, double distance) {
  const double first = std::ceil(axis.low / distance - 1e-9);
  for (double i = first; i * distance <= axis.high + distance * 1e-9; ++i)
    axis.ticks.push_back({i * distance, label_of(i * distance, distance)});
}

}  // namespace

double Axis::place(double value) const {
  if (scale == Scale::linear) return (value - low) / (high - low);
  if (value <= 0) return -std::numeric_limits<double>::infinity();
  return std::log(value / low) / std::log(high / low);
}

Axis value_axis(double low, double high, Scale scale, int ticks) {
  MSN_CHECK(std::isfinite(low) && std::isfinite(high) && low <= high && ticks > 0);
  Axis axis;
  axis.scale = scale;
  if (scale == Scale::logarithmic) {
    MSN_CHECK(low > 0);
    // Whole decades, as many as there are.
    const double first = std::floor(std::log10(low) + 1e-9);
    const double last = std::max(first + 1, std::ceil(std::log10(high) - 1e-9));
    axis.low = std::pow(10.0, first);
    axis.high = std::pow(10.0, last);
    const double every = std::max(1.0, std::ceil((last - first) / ticks));
    for (double i = first; i <= last; i += every)
      axis.ticks.push_back({std::pow(10.0, i), label_of(std::pow(10.0, i), std::pow(10.0, i))});
    return axis;
  }
  // What hardly varies is drawn as level: more digits than five at an axis find no room, and mean nothing.
  const double least = std::max(std::abs(low), std::abs(high)) * 2e-4;
  double room = 0.05 * (high - low);
  if (high - low <= least) room = low == 0 && high == 0 ? 1 : std::max(0.1 * std::abs(low), least);
  axis.low = low - room;
  axis.high = high + room;
  // From 0 if that is near; a line at 0 itself lies clear of the edge.
  if (low >= 0 && (low <= 0.5 * high || axis.low < 0)) axis.low = -0.02 * axis.high;
  put_linear_ticks(axis, nice_distance(axis.high - axis.low, ticks));
  return axis;
}

Axis step_axis(double first, double last, int ticks) {
  MSN_CHECK(first <= last && ticks > 0);
  Axis axis;
  const double span = std::max(last - first, 1.0);
  axis.low = first - 0.01 * span;  // Dots at the ends lie clear of the edge.
  axis.high = first + 1.01 * span;
  put_linear_ticks(axis, std::max(1.0, nice_distance(span, ticks)));
  return axis;
}

}  // namespace msn
