// SPDX-License-Identifier: Apache-2.0
#include "train/bad_samples.hpp"

#include <algorithm>
#include <cstdio>
#include <vector>

#include "base/log.hpp"

namespace msn {

std::uint64_t allowed_bad(double share, std::uint64_t images_per_epoch) {
  return static_cast<std::uint64_t>(share * static_cast<double>(images_per_epoch));
}

BadSamples::BadSamples(const World& world, double share, std::uint64_t images_per_epoch)
    : world_(world), share_(share), allowed_(allowed_bad(share, images_per_epoch)) {}

void BadSamples::report(const Batch& batch) {
  for (const BadSample& bad : batch.bad) {
    last_ = bad.where + ": " + bad.reason;
    if (!reported_.insert(bad.where).second) continue;
    // As an error, because only errors of the other ranks are heard.
    log::error("rank " + std::to_string(world_.rank()) + " of " + std::to_string(world_.size()) + ": bad " + last_ +
               "; sample " + std::to_string(bad.replacement) + " takes its place");
  }
}

void BadSamples::count(std::uint64_t epoch, std::uint64_t bad) {
  if (epoch != epoch_) in_epoch_ = 0;
  epoch_ = epoch;
  in_epoch_ += bad;
  total_ += bad;
}

void BadSamples::end_run() const {
  const std::vector<std::string> all = world_.gather(last_);
  const auto named = std::find_if(all.begin(), all.end(), [](const std::string& text) { return !text.empty(); });
  char share[32];
  std::snprintf(share, sizeof share, "%g", share_);
  throw AgreedError(data_error(
      std::to_string(in_epoch_) + " bad samples in epoch " + std::to_string(epoch_) + ", data.max_bad = " + share +
          " allows " + std::to_string(allowed_),
      named == all.end() ? "" : *named,
      "look at the disk and copy the data set again, or raise data.max_bad; the run goes on from its checkpoint"));
}

}  // namespace msn
