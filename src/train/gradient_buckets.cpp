// SPDX-License-Identifier: Apache-2.0
#include "train/gradient_buckets.hpp"

#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>

#include <chrono>
#include <string>

#include "base/error.hpp"
#include "base/hash.hpp"
#include "base/seconds_since.hpp"
#include "comm/world.hpp"
#include "kernels/work_times.hpp"

namespace msn {

std::vector<Bucket> make_buckets(const Parameters& parameters, BucketSizes sizes) {
  MSN_CHECK(sizes.first > 0 && sizes.others > 0);
  const auto scalar = static_cast<std::int64_t>(c10::elementSize(parameters.type()));
  std::vector<Bucket> buckets;
  std::int64_t end = parameters.values().numel();
  const std::vector<Segment>& segments = parameters.segments();
  for (std::size_t i = segments.size(); i-- > 0;) {
    const std::int64_t begin = segments[i].offset;
    const std::int64_t size = buckets.empty() ? std::min(sizes.first, sizes.others) : sizes.others;
    if ((end - begin) * scalar < size && i > 0) continue;
    buckets.push_back({begin, end});
    end = begin;
  }
  return buckets;
}

GradientBuckets::GradientBuckets(const Parameters& parameters, const Communicator& communicator, BucketSizes sizes,
                                 ReducePrecision precision)
    : parameters_(parameters), communicator_(communicator), buckets_(make_buckets(parameters, sizes)) {
  MSN_CHECK(parameters.gradient_flags().numel() >= static_cast<std::int64_t>(flag_count));
  works_.reserve(buckets_.size());
  if (precision == ReducePrecision::full || communicator.size() == 1) return;
  for (std::size_t bucket = 0; bucket < buckets_.size(); ++bucket) {
    messages_.push_back(at::empty_like(with_flags(bucket), at::TensorOptions().dtype(at::kBFloat16)));
  }
}

void GradientBuckets::compare_over_ranks() const {
  std::string text = std::to_string(static_cast<int>(parameters_.type()));
  for (const Segment& segment : parameters_.segments()) {
    text += "\n" + segment.name;
    for (const std::int64_t size : segment.shape)
      text += " " + std::to_string(size);
  }
  for (const Bucket& bucket : buckets_)
    text += "\n" + std::to_string(bucket.begin);
  const std::string hash = hash_hex(text);
  const at::Tensor mine = at::empty({4}, at::kDouble);
  for (std::size_t i = 0; i < 4; ++i) {
    mine.mutable_data_ptr<double>()[i] = static_cast<double>(std::stoul(hash.substr(8 * i, 8), nullptr, 16));
  }
  const at::Tensor all = communicator_.gather(mine.to(parameters_.values().device()), "gradient layout").cpu();
  std::string others;
  for (std::int64_t rank = 1; rank < all.size(0); ++rank) {
    if (!all[rank].equal(all[0])) others += (others.empty() ? "" : ", ") + std::to_string(rank);
  }
  if (others.empty()) return;
  throw AgreedError(usage_error("not all ranks have the same network and gradient buckets",
                                "other than rank 0: " + others,
                                "start every rank with the same program and the same configuration"));
}

void GradientBuckets::begin() {
  works_.clear();
  parameters_.gradient_flags().zero_();
  seconds_ = 0;
  exposed_seconds_ = 0;
}

void GradientBuckets::set_flag(std::size_t flag, double value) {
  MSN_CHECK(flag < flag_count && works_.empty());
  parameters_.gradient_flags()[static_cast<std::int64_t>(flag)].fill_(value);
}

void GradientBuckets::set_flag(std::size_t flag, const at::Tensor& value) {
  MSN_CHECK(flag < flag_count && works_.empty());
  flag_sum_tensor(flag).copy_(value.view(at::IntArrayRef()));
}

/// The bucket's gradients, with the flags behind those of the first.
at::Tensor GradientBuckets::with_flags(std::size_t bucket) const {
  const auto [begin, end] = buckets_[bucket];
  if (bucket > 0) return parameters_.gradients().narrow(0, begin, end - begin);
  const std::int64_t flags = parameters_.gradient_flags().numel();
  return parameters_.gradients().as_strided({end - begin + flags}, {1}, begin);
}

void GradientBuckets::ready_from(std::int64_t offset) {
  const kernels::TimedWork timed(kernels::Work::gradient_sum);
  while (works_.size() < buckets_.size() && buckets_[works_.size()].begin >= offset) {
    const std::size_t bucket = works_.size();
    at::Tensor message = with_flags(bucket);
    if (!messages_.empty()) message = messages_[bucket].copy_(message);
    works_.push_back(communicator_.start_sum(message, "gradients " + std::to_string(bucket)));
  }
}

void GradientBuckets::finish() {
  MSN_CHECK(works_.size() == buckets_.size());
  const kernels::TimedWork timed(kernels::Work::gradient_sum);
  using Clock = std::chrono::steady_clock;
  const Clock::time_point began = Clock::now();
  for (std::size_t bucket = 0; bucket < works_.size(); ++bucket) {
    works_[bucket]->wait();
    seconds_ += works_[bucket]->seconds();
    if (!messages_.empty()) with_flags(bucket).copy_(messages_[bucket]);
  }
  exposed_seconds_ = seconds_since(began);
}

double GradientBuckets::flag_sum(std::size_t flag) const {
  return flag_sum_tensor(flag).item<double>();
}

at::Tensor GradientBuckets::flag_sum_tensor(std::size_t flag) const {
  MSN_CHECK(flag < flag_count);
  return parameters_.gradient_flags()[static_cast<std::int64_t>(flag)];
}

}  // namespace msn
