// SPDX-License-Identifier: Apache-2.0
#include "data/read_plan.hpp"

#include <algorithm>
#include <tuple>

namespace msn {

void plan_reads(std::span<const Extent> extents, ReadPlan& plan, ReadLimits limits) {
  plan.runs.clear();
  plan.order.clear();
  plan.place.resize(extents.size());
  for (std::size_t i = 0; i < extents.size(); ++i) {
    if (extents[i].size > 0) plan.order.push_back(i);
  }
  const auto key = [&](std::size_t i) { return std::tuple(extents[i].set, extents[i].shard, extents[i].offset, i); };
  std::sort(plan.order.begin(), plan.order.end(), [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
  for (std::size_t i = 0; i < plan.order.size(); ++i) {
    const Extent& extent = extents[plan.order[i]];
    const std::uint64_t end = extent.offset + extent.size;
    if (!plan.runs.empty()) {
      ReadRun& last = plan.runs.back();
      const std::uint64_t last_end = last.offset + last.size;
      // The same image may be wanted twice: then `end` is not beyond last_end.
      if (last.set == extent.set && last.shard == extent.shard && extent.offset <= last_end + limits.gap &&
          end <= last.offset + limits.run) {
        last.size = std::max(last_end, end) - last.offset;
        ++last.count;
        continue;
      }
    }
    plan.runs.push_back({extent.set, extent.shard, extent.offset, extent.size, 0, i, 1});
  }
  plan.bytes = 0;
  for (ReadRun& run : plan.runs) {
    run.place = plan.bytes;
    plan.bytes += run.size;
    for (std::size_t i = run.first; i < run.first + run.count; ++i) {
      plan.place[plan.order[i]] = run.place + (extents[plan.order[i]].offset - run.offset);
    }
  }
}

std::span<std::byte> ByteBuffer::resize(std::size_t size) {
  if (size > capacity_) {
    capacity_ = size + size / 4;  // Batches differ a little in size.
    data_ = std::make_unique_for_overwrite<std::byte[]>(capacity_);
  }
  size_ = size;
  return bytes();
}

}  // namespace msn
