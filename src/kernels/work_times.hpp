// SPDX-License-Identifier: Apache-2.0
// Where the time of a step goes, by kind of work rather than by section: always measured, as it costs two readings of
// the clock a piece of work.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string_view>

namespace msn::kernels {

enum class Work : std::uint8_t {
  product,       ///< Matrix products, with what is fused into them.
  attention,     ///< Scores, softmax and weighted values.
  layer_norm,    ///< With the residual sums that are fused into it.
  gelu,          ///< Of the trunk, with its bias.
  embedding,     ///< Patches, class token and positions, but for the product.
  head,          ///< Batch norm and GELU of the projection head.
  loss,          ///< Prototypes and targets, but for products of matrices that are large.
  copy,          ///< Copies, zeros, and conversions between types.
  gradient_sum,  ///< Over the ranks, as far as this thread takes part in it.
  optimizer,     ///< Norm of the gradients, AdamW, EMA, shadows.
};
inline constexpr std::size_t kWorks = 10;
std::string_view name_of(Work work);

/// What the pieces of one kind of work were, together.
struct WorkTime {
  double seconds = 0;  ///< Without the work inside it that is timed itself, and without waits for other ranks.
  double bytes = 0;    ///< That must at least be moved between memory and caches, as far as the pieces say.
  double flops = 0;    ///< As far as they say.
  double calls = 0;    ///< Pieces.
};
using WorkTimes = std::array<WorkTime, kWorks>;

/// Times a piece of work of the calling thread until the end of the scope. On the main thread: what other threads do
/// meanwhile is not added. Work inside it counts for its own kind only. Costs about 50 ns.
class TimedWork {
 public:
  explicit TimedWork(Work work, double bytes = 0, double flops = 0);
  ~TimedWork();
  TimedWork(const TimedWork&) = delete;
  TimedWork& operator=(const TimedWork&) = delete;

 private:
  const Work work_;
  TimedWork* const outer_;
  const double began_;
  double inner_ = 0;  ///< Seconds of the work inside.
};

/// The calling thread's work since the last call. Call it while no piece of work is under way.
WorkTimes take_work_times();

/// As long as it lives, takes the seconds that the calling thread waits for other ranks out of all its work. Make it
/// while no piece of work is under way.
class WaitsOutOfWork {
 public:
  /// `waited` gives the seconds that the thread has spent waiting so far.
  explicit WaitsOutOfWork(std::function<double()> waited);
  ~WaitsOutOfWork();
  WaitsOutOfWork(const WaitsOutOfWork&) = delete;
  WaitsOutOfWork& operator=(const WaitsOutOfWork&) = delete;
};

}  // namespace msn::kernels
