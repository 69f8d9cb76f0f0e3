// SPDX-License-Identifier: Apache-2.0
#include "data/read_image.hpp"

#include "base/error.hpp"
#include "data/decode.hpp"

namespace msn {

Image read_image(const DataSet& set, std::uint64_t sample) {
  try {
    return decode(set.read(sample));
  } catch (const Error& error) {
    throw Error(error.code(), error.problem(), set.describe(sample),
                error.remedy().empty() ? "pack the data set again, or copy its shards again" : error.remedy());
  }
}

}  // namespace msn
