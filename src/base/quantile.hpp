// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

namespace msn {

/// The value below which the share `part`, 0 to 1, of the values lies; between two values in proportion. At least one
/// value.
double quantile(std::vector<double> values, double part);

/// The middle value; of an even number of values the mean of the middle two.
double median(std::vector<double> values);

/// At least one value.
double mean(const std::vector<double>& values);

}  // namespace msn
