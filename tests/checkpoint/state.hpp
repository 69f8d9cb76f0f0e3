// SPDX-License-Identifier: Apache-2.0
// A small state of all element types and odd shapes, as tests of checkpoints write it.
#pragma once

#include <algorithm>
#include <cstring>
#include <numeric>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "checkpoint/checkpoint.hpp"

namespace msn::test {

/// Owns the bytes of its tensors; filled with numbers that `seed` decides, or with zeros for seed 0.
class SmallState {
 public:
  explicit SmallState(std::uint64_t seed) {
    add("online.cls_token", ElementType::f32, {1, 1, 24});
    add("online.blocks.0.attn.qkv.weight", ElementType::f32, {72, 24});
    add("online.blocks.0.attn.qkv.bias", ElementType::f32, {72});
    add("head.bn1.num_batches_tracked", ElementType::i64, {});
    add("prototypes", ElementType::f64, {33, 7});
    add("adam.exp_avg.prototypes", ElementType::f32, {33, 7});
    add("empty", ElementType::f32, {0, 5});
    for (auto& tensor : tensors_) {
      RandomStream stream(seed, tensor.name, Purpose::generator);
      for (auto& byte : tensor.bytes)
        byte = seed == 0 ? std::byte{0} : std::byte(stream.next_u32() & 0xff);
    }
  }

  const std::vector<StateTensor>& tensors() const { return tensors_; }
  std::vector<StateTensor>& tensors() { return tensors_; }

  bool operator==(const SmallState& other) const { return storage_ == other.storage_; }

 private:
  void add(const std::string& name, ElementType type, const std::vector<std::int64_t>& shape) {
    storage_.emplace_back(tensor_bytes(type, shape, name));
    tensors_.push_back({name, type, shape, {}});
    for (std::size_t i = 0; i < storage_.size(); ++i)
      tensors_[i].bytes = storage_[i];
  }

  std::vector<std::vector<std::byte>> storage_;
  std::vector<StateTensor> tensors_;
};

inline CheckpointFacts facts_of_step(std::uint64_t step) {
  return {.step = step,
          .epoch = 1,
          .samples_seen = step * 64,
          .seed = 5,
          .global_batch = 64,
          .world_size = 2,
          .config_digest = "d1",
          .config_toml = "[train]\nepochs = 2 # \"quoted\"\n",
          .data_fingerprint = "f1",
          .skipped = std::min<std::uint64_t>(3, step),
          .skipped_in_a_row = std::min<std::uint64_t>(1, step),
          .threads = 1,
          .torch = "2.11.0",
          .instruction_set = "AVX2",
          .processor = "AMD, AVX2",
          .gemm = "onednn",
          .device = "",
          .knn_top1 = {}};
}

}  // namespace msn::test
