// SPDX-License-Identifier: Apache-2.0
// Memory that is only counted: who holds how much of it for what, and how it stood when it was the most.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace msn {

/// What a rank takes memory for.
enum class MemoryUse : std::size_t {
  // The state, all the time:
  weights,
  ema,          ///< The target network's weights.
  gradients,    ///< With the flags that ride on them.
  moments,      ///< Adam's two.
  bf16_copies,  ///< Of both networks' weights.
  statistics,   ///< Batch norms' running ones, and their copy from before the step.
  // The step:
  batch,          ///< Patch rows, masks and drop path of the images, where the step computes.
  tape,           ///< What the anchors' forward pass keeps for the backward pass.
  forward_block,  ///< A block of a forward pass at work.
  backward_block,
  head_and_loss,
  update,    ///< By LibTorch's operators, which want room for what lies between them.
  messages,  ///< Gradients in bfloat16 on their way to the other ranks.
  // Beside the step, in host memory:
  batches_ahead,
  host_state,       ///< A GPU's state, as checkpoints and comparisons of replicas read it.
  checkpoint_copy,  ///< That a checkpoint is written from.
  // Of a GPU, assumed:
  slack,      ///< What LibTorch's allocator has of the device and no tensor uses.
  libraries,  ///< CUDA's context and kernels, workspaces of cuBLAS, buffers of NCCL.
};
inline constexpr std::size_t kMemoryUses = static_cast<std::size_t>(MemoryUse::libraries) + 1;

/// "weights", "EMA weights", "gradients", ...
std::string_view name_of(MemoryUse use);

/// Bytes for each use, at its enumerator.
struct MemoryTable {
  std::array<double, kMemoryUses> bytes{};

  double of(MemoryUse use) const { return bytes[static_cast<std::size_t>(use)]; }
  double& of(MemoryUse use) { return bytes[static_cast<std::size_t>(use)]; }
  double total() const;
  /// Where most of it is.
  MemoryUse largest() const;
};

/// What an allocator makes of a request: from `large_from` bytes on a multiple of `large`, below one of `small`.
struct MemoryGranules {
  std::int64_t small = 1;
  std::int64_t large_from = 0;
  std::int64_t large = 1;
};

/// Counts what is held. A piece is held as long as a copy of what hold() gave lives, as a tensor's memory is, so that
/// code that mirrors another's tensors has their lifetimes. Must outlive the pieces.
class MemoryLedger {
 public:
  using Piece = std::shared_ptr<const void>;

  explicit MemoryLedger(MemoryGranules granules) : granules_(granules) {}
  MemoryLedger(const MemoryLedger&) = delete;
  MemoryLedger& operator=(const MemoryLedger&) = delete;

  [[nodiscard]] Piece hold(MemoryUse use, std::int64_t bytes);

  /// As it stood when the total was greatest.
  const MemoryTable& at_peak() const { return at_peak_; }
  /// The most that each use had, at whatever time.
  const MemoryTable& most() const { return most_; }

 private:
  MemoryGranules granules_;
  MemoryTable now_, at_peak_, most_;
  double total_ = 0;
  double peak_ = 0;
};

}  // namespace msn
