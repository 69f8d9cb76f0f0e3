// SPDX-License-Identifier: Apache-2.0
// Which back end computes attention on a GPU: a fixed table by type and shape, never a timing at run time, because the
// choice decides the last bits. What a run has verified at its start (model/attention_trial.hpp) is in force.
#pragma once

#include <c10/core/ScalarType.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace msn {

enum class AttentionBackend {
  plain,      ///< Products and a softmax, in float32 for bfloat16: any type, any device.
  flash,      ///< FlashAttention-2, which LibTorch carries.
  efficient,  ///< LibTorch's memory-efficient kernels of CUTLASS.
  cudnn       ///< cuDNN's fused attention.
};
/// "plain", "flash", "efficient" or "cudnn".
std::string_view name_of(AttentionBackend backend);

/// Attention of sequences of `tokens` queries and as many keys in heads of `head_width`, without a mask.
struct AttentionShape {
  at::ScalarType type;
  std::int64_t tokens;
  std::int64_t head_width;

  auto operator<=>(const AttentionShape&) const = default;
};
/// "bf16 197x64"
std::string to_text(const AttentionShape& shape);

/// A back end for every shape of a run.
class AttentionTable {
 public:
  /// plain for a shape that is not in the table.
  AttentionBackend of(const AttentionShape& shape) const;
  void set(const AttentionShape& shape, AttentionBackend backend) { backends_[shape] = backend; }
  const std::map<AttentionShape, AttentionBackend>& backends() const { return backends_; }
  bool operator==(const AttentionTable&) const = default;

 private:
  std::map<AttentionShape, AttentionBackend> backends_;
};

/// "bf16 37x64 flash, bf16 197x64 flash", in the order of shapes; "" for an empty table.
std::string to_text(const AttentionTable& table);
/// The table of such a text; nullopt for any other text.
std::optional<AttentionTable> attention_table_from(std::string_view text);
/// Of tables of the same shapes: the back end where both have the same, else plain.
AttentionTable common_to(const AttentionTable& a, const AttentionTable& b);

/// What is used unless the configuration says otherwise. `compute_capability`: major number of the GPU's, 9 is Hopper.
AttentionBackend default_attention(const AttentionShape& shape, int compute_capability);

/// The table that attention() goes by in this process on devices; empty, and so plain for all, unless set. To be set at
/// start by whoever has agreed on it with the other ranks (train/attention_setup.hpp).
const AttentionTable& attention_in_force();
void set_attention(const AttentionTable& table);

}  // namespace msn
