// SPDX-License-Identifier: Apache-2.0
#include "train/initial_weights.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/mm.h>

#include <cmath>
#include <cstddef>
#include <cstring>
#include <map>
#include <set>

#include "base/error.hpp"
#include "exchange/shape_text.hpp"
#include "model/position_embedding.hpp"
#include "train/weight_source.hpp"

namespace msn {

namespace {

/// Sides of a position table that are resampled; the matrix for it has the fourth power of entries.
constexpr std::int64_t kLargestGrid = 256;

bool is_head(const std::string& name) {
  return name.starts_with("fc.");
}

/// The running statistics under their official names, with the buffers of one network.
struct NamedBuffers {
  const char* name;
  BatchNormBuffers* buffers;
};
std::vector<NamedBuffers> named_buffers(HeadBuffers& head) {
  return {{"fc.bn1", &head.bn1}, {"fc.bn2", &head.bn2}};
}

std::int64_t read_count(const NamedTensor& tensor) {
  const std::vector<std::byte> bytes = tensor.read();
  std::int64_t count = 0;
  MSN_CHECK(bytes.size() == sizeof count);
  std::memcpy(&count, bytes.data(), sizeof count);
  return count;
}

[[noreturn]] void throw_shape(const NamedTensor& tensor, const Segment& wanted) {
  throw config_error(
      "the tensor has shape " + shape_text(tensor.shape) + " where the model has " + shape_text(wanted.shape),
      tensor.place, "set the sizes of [model] to those of the weights");
}

/// Patches a side of a position table [1, 1 + grid², width]; 0 if it is none for `wanted`.
std::int64_t grid_of(const std::vector<std::int64_t>& shape, const Segment& wanted) {
  if (shape.size() != 3 || shape[0] != 1 || shape[2] != wanted.shape[2] || shape[1] < 2) return 0;
  const auto grid = static_cast<std::int64_t>(std::llround(std::sqrt(static_cast<double>(shape[1] - 1))));
  return grid * grid == shape[1] - 1 && grid <= kLargestGrid ? grid : 0;
}

/// [1, 1 + from², width] -> [1, 1 + to², width]: the class token's row as it is, the others resampled.
at::Tensor resample(const at::Tensor& table, std::int64_t from, std::int64_t to) {
  const at::Tensor rows = table[0].to(at::kDouble);
  const at::Tensor patches = at::mm(position_resampling(from, to), rows.narrow(0, 1, from * from));
  return at::cat({rows.narrow(0, 0, 1), patches}).unsqueeze(0);
}

WeightSource open_source(const std::filesystem::path& path) {
  try {
    return open_weights(path);
  } catch (const Error& error) {
    // Other places name a file and a tensor; the path itself should be told whose it is.
    if (error.code() != ExitCode::config || error.where() != path.string()) throw;
    throw config_error("model.init: " + error.problem(), error.where(), error.remedy());
  }
}

class Loading {
 public:
  Loading(const std::filesystem::path& path, TrainState& state) : source_(open_source(path)), state_(state) {
    for (const NamedTensor& tensor : source_.vit.tensors)
      tensors_.emplace(tensor.name, &tensor);
  }

  std::vector<std::string> run() {
    check_names();
    check_heads();
    for (const Segment& segment : state_.online.segments()) {
      const auto found = tensors_.find(segment.name);
      if (found != tensors_.end()) load(segment, *found->second);
    }
    state_.target.values().copy_(state_.online.values().narrow(0, 0, state_.target.values().numel()));
    if (source_.is_checkpoint) load_buffers();
    const std::string network = source_.vit.network.empty() ? "" : " (" + source_.vit.network + ")";
    notes_.insert(notes_.begin(), "beginning with " + std::to_string(loaded_) + " tensors of " + source_.path +
                                      network +
                                      (has("prototypes") ? ", prototypes among them" : "; prototypes are drawn"));
    return notes_;
  }

 private:
  bool has(const std::string& name) const { return tensors_.contains(name); }

  void check_heads() const {
    if (!source_.heads || *source_.heads == state_.shape.heads) return;
    throw config_error("the weights have " + std::to_string(*source_.heads) + " attention heads where the model has " +
                           std::to_string(state_.shape.heads),
                       source_.path, "set model.heads to that number");
  }

  /// Every tensor that must be there is, and no other.
  void check_names() {
    std::set<std::string> known;
    bool any_head = false;
    for (const Segment& segment : state_.online.segments()) {
      known.insert(segment.name);
      any_head |= is_head(segment.name) && has(segment.name);
    }
    for (const NamedBuffers& bn : named_buffers(state_.online_buffers)) {
      for (const char* buffer : {".running_mean", ".running_var", ".num_batches_tracked"})
        known.insert(std::string(bn.name) + buffer);
    }
    for (const NamedTensor& tensor : source_.vit.tensors) {
      if (!known.contains(tensor.name)) {
        throw config_error("unexpected tensor", tensor.place,
                           "remove it from the file, or set the sizes of [model] to those of the weights");
      }
    }
    for (const Segment& segment : state_.online.segments()) {
      const bool optional = segment.name == "prototypes" || (is_head(segment.name) && !any_head);
      if (optional || has(segment.name)) continue;
      throw config_error("missing tensor", source_.path + ":" + name_in(source_.vit.names, segment.name),
                         is_head(segment.name) ? "give the whole head (fc.*) or nothing of it"
                                               : "give the whole encoder, and set model.depth to its blocks");
    }
    if (!source_.vit.passed_over.empty()) notes_.push_back(passed_over_text(source_.vit));
    if (!any_head) notes_.push_back("the weights hold no projection head (fc.*): it is drawn");
  }

  void load(const Segment& segment, const NamedTensor& tensor) {
    at::Tensor values;
    if (tensor.shape == segment.shape) {
      values = read_values(tensor);
    } else {
      const std::int64_t from = segment.name == "pos_embed" ? grid_of(tensor.shape, segment) : 0;
      if (from == 0) throw_shape(tensor, segment);
      const std::int64_t to = state_.shape.grid;
      values = resample(read_values(tensor), from, to);
      const auto side = [](std::int64_t grid) { return std::to_string(grid) + " x " + std::to_string(grid); };
      notes_.push_back("position table of " + side(from) + " resampled to " + side(to) + " (bicubic)");
    }
    state_.online.value(segment.name).copy_(values);
    ++loaded_;
  }

  /// A checkpoint's statistics of the target network, for both networks: they belong to these weights.
  void load_buffers() {
    for (HeadBuffers* head : {&state_.online_buffers, &state_.target_buffers}) {
      for (const NamedBuffers& bn : named_buffers(*head)) {
        const auto stored = [&](const char* buffer) -> const NamedTensor& {
          const auto found = tensors_.find(bn.name + std::string(buffer));
          if (found == tensors_.end())
            throw config_error("missing tensor", source_.path + ":target." + bn.name + buffer,
                               "use another checkpoint");
          return *found->second;
        };
        bn.buffers->running_mean.copy_(read_values(stored(".running_mean")));
        bn.buffers->running_var.copy_(read_values(stored(".running_var")));
        bn.buffers->batches = read_count(stored(".num_batches_tracked"));
      }
    }
  }

  WeightSource source_;
  TrainState& state_;
  std::map<std::string, const NamedTensor*> tensors_;  ///< By official name.
  std::vector<std::string> notes_;
  int loaded_ = 0;
};

}  // namespace

std::vector<std::string> load_initial_weights(const std::filesystem::path& path, TrainState& state) {
  return Loading(path, state).run();
}

}  // namespace msn
