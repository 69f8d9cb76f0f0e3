// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <vector>

namespace msn {

/// Images of a data set with their classes.
struct LabelledSamples {
  std::vector<std::uint64_t> samples;  ///< Numbers in the data set.
  std::vector<std::int32_t> labels;    ///< One each.
};

}  // namespace msn
