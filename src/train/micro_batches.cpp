// SPDX-License-Identifier: Apache-2.0
#include "train/micro_batches.hpp"

#include <ATen/ops/cat.h>
#include <ATen/ops/empty.h>

#include <vector>

#include "base/error.hpp"

namespace msn {

namespace {

/// Images of a group in one part. Which images share a part does not matter, so that parts are consecutive rows and
/// need no copy.
std::int64_t share(const ViewGroup& group, std::int64_t parts) {
  MSN_CHECK(group.images() % parts == 0);
  return group.images() / parts;
}

ViewGroups part_of(const ViewGroups& groups, std::int64_t part, std::int64_t parts) {
  ViewGroups result;
  for (const ViewGroup& group : groups) {
    const std::int64_t count = share(group, parts), first = part * count;
    ViewGroup& mine = result.emplace_back(group);
    mine.patches = group.patches.narrow(0, first, count);
    if (group.keep.defined() && group.keep.dim() == 2) mine.keep = group.keep.narrow(0, first, count);
    if (group.branch_scale.defined()) mine.branch_scale = group.branch_scale.narrow(2, first, count).contiguous();
  }
  return result;
}

/// Calls run(first row of the whole, first row of the part, rows) for the images of each group in a part.
template <class Run>
void for_each_range(const ViewGroups& groups, std::int64_t part, std::int64_t parts, const Run& run) {
  std::int64_t of_whole = 0, of_part = 0;
  for (const ViewGroup& group : groups) {
    const std::int64_t count = share(group, parts);
    run(of_whole + part * count, of_part, count);
    of_whole += group.images();
    of_part += count;
  }
}

}  // namespace

std::int64_t micro_batches(std::int64_t samples, int micro_batch) {
  if (micro_batch == 0 || micro_batch == samples) return 1;
  MSN_CHECK(samples % micro_batch == 0);
  return samples / micro_batch;
}

at::Tensor forward_in_parts(const Trunk& trunk, const ViewGroups& groups, std::int64_t parts) {
  if (parts == 1) return trunk.forward(groups, nullptr);
  at::Tensor whole;
  for (std::int64_t part = 0; part < parts; ++part) {
    const at::Tensor cls = trunk.forward(part_of(groups, part, parts), nullptr);
    if (part == 0) whole = at::empty({parts * cls.size(0), cls.size(1)}, cls.options());
    for_each_range(groups, part, parts, [&](std::int64_t to, std::int64_t from, std::int64_t count) {
      whole.narrow(0, to, count).copy_(cls.narrow(0, from, count));
    });
  }
  return whole;
}

void backward_in_parts(const Trunk& trunk, const ViewGroups& groups, const at::Tensor& dcls, std::int64_t parts,
                       const OnReady& on_ready) {
  for (std::int64_t part = 0; part < parts; ++part) {
    Tape tape;
    trunk.forward(part_of(groups, part, parts), &tape);
    std::vector<at::Tensor> gradients;
    for_each_range(groups, part, parts, [&](std::int64_t from, std::int64_t, std::int64_t count) {
      gradients.push_back(dcls.narrow(0, from, count));
    });
    trunk.backward(at::cat(gradients), tape, part + 1 == parts ? on_ready : OnReady());
  }
}

}  // namespace msn
