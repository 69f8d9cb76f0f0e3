// SPDX-License-Identifier: Apache-2.0
// The range of a chart's axis and the numbers that stand at it.
#pragma once

#include <string>
#include <vector>

namespace msn {

enum class Scale { linear, logarithmic };

struct Tick {
  double value = 0;
  std::string label;
};

struct Axis {
  double low = 0;
  double high = 1;  ///< > low; both > 0 if logarithmic.
  Scale scale = Scale::linear;
  std::vector<Tick> ticks;  ///< Within low and high, rising.

  /// Where a value lies: 0 at low, 1 at high, beyond them outside. -infinity for what a logarithmic axis does not have.
  double place(double value) const;
};

/// An axis of values that reaches from `low` to `high` with a little room, from 0 if that is near. A logarithmic one
/// wants low > 0. About `ticks` ticks.
Axis value_axis(double low, double high, Scale scale, int ticks = 5);

/// An axis from the step `first` to `last`, with a hundredth of room; whole numbers as ticks.
Axis step_axis(double first, double last, int ticks = 6);

}  // namespace msn
