// SPDX-License-Identifier: Apache-2.0
// The sum of the gradients over ranks, in ranges that are sent while the backward pass goes on.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "comm/communicator.hpp"
#include "config/config.hpp"
#include "model/parameters.hpp"

namespace msn {

/// In bytes. The first bucket is small, so that sending begins soon. A tensor is never cut: a bucket closes when it has
/// reached its size.
struct BucketSizes {
  std::int64_t first = std::int64_t{1} << 20;
  std::int64_t others = std::int64_t{25} << 20;
};

/// A range of the flat buffer, in elements.
struct Bucket {
  std::int64_t begin = 0;
  std::int64_t end = 0;
};

/// Ranges that cover the flat buffer from its end to its beginning: the order in which a backward pass completes it.
std::vector<Bucket> make_buckets(const Parameters& parameters, BucketSizes sizes);

/// Sums the flat gradients over ranks. A step: begin(), set_flag(), ready_from() as ranges complete, finish(). The
/// buckets go in a fixed order, the same on every rank; on the host the sums do not depend on their sizes.
///
/// With ReducePrecision::bf16 and several ranks each bucket is rounded to bfloat16 into a message of its own, which
/// takes 2 bytes an element in all, and the sum, the same on every rank, is widened back into the gradients. On the
/// host an element is off by at most 2^-7 of the sum over ranks of its absolute values: half for the messages, half for
/// the sum. NCCL may round at each rank that a sum passes.
class GradientBuckets {
 public:
  /// Flags of a step that ride on the first bucket: numbers that every rank may set and that are summed over ranks.
  static constexpr std::size_t flag_count = 8;

  /// Both must outlive it.
  GradientBuckets(const Parameters& parameters, const Communicator& communicator, BucketSizes sizes,
                  ReducePrecision precision = ReducePrecision::full);

  /// Throws AgreedError, naming the ranks, if not all ranks have the same names, shapes, type and buckets. Collective.
  void compare_over_ranks() const;

  /// A new step: nothing is ready, all flags are 0.
  void begin();
  /// Before the first ready_from() of a step. `value` is a small whole number: counts are exact in float32. In messages
  /// of bfloat16 they are up to 256; above, none and some can still be told apart.
  void set_flag(std::size_t flag, double value);
  /// The same with a value that lies where the gradients do, of any type, one element: the host does not see it.
  void set_flag(std::size_t flag, const at::Tensor& value);
  /// The gradients from `offset` to the end of the flat buffer are complete; sends what can be sent.
  void ready_from(std::int64_t offset);
  /// Waits for all sums, in order. Everything must be ready.
  void finish();

  // After finish():
  /// Sum over ranks of what set_flag() was given. On a device the host waits for it.
  double flag_sum(std::size_t flag) const;
  /// The same where the gradients lie, [], of their type: a view that the next begin() sets to 0.
  at::Tensor flag_sum_tensor(std::size_t flag) const;
  /// From the first to the last act of every bucket, added up.
  double seconds() const { return seconds_; }
  /// The part that no computation hid: how long finish() took.
  double exposed_seconds() const { return exposed_seconds_; }

  const std::vector<Bucket>& buckets() const { return buckets_; }

 private:
  at::Tensor with_flags(std::size_t bucket) const;

  const Parameters& parameters_;
  const Communicator& communicator_;
  const std::vector<Bucket> buckets_;
  std::vector<at::Tensor> messages_;          ///< In bfloat16, one a bucket; none where gradients go as they are.
  std::vector<std::unique_ptr<Work>> works_;  ///< Of the buckets that are under way: the first ones.
  double seconds_ = 0;
  double exposed_seconds_ = 0;
};

}  // namespace msn
