// SPDX-License-Identifier: Apache-2.0
#include "train/initial_weights.hpp"

#include <ATen/TensorOperators.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/mm.h>

#include <cmath>
#include <set>

#include "base/error.hpp"
#include "model/position_embedding.hpp"
#include "train/weight_source.hpp"

namespace msn {

namespace {

/// Sides of a position table that are resampled; the matrix for it has the fourth power of entries.
constexpr std::int64_t kLargestGrid = 256;

std::string shape_text(const std::vector<std::int64_t>& shape) {
  std::string text = "[";
  for (const std::int64_t extent : shape)
    text += (text.size() > 1 ? ", " : "") + std::to_string(extent);
  return text + "]";
}

std::string place(const WeightSource& source, const StoredTensor& tensor) {
  return source.path + ":" + tensor.stored_name;
}

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

at::Tensor read_finite(const WeightSource& source, const StoredTensor& tensor) {
  const at::Tensor values = tensor.read();
  if (!at::isfinite(values).all().item<bool>()) {
    throw numerics_error("the tensor holds a value that is not finite", place(source, tensor), "use other weights");
  }
  return values;
}

[[noreturn]] void throw_shape(const WeightSource& source, const StoredTensor& tensor, const Segment& wanted) {
  throw config_error(
      "the tensor has shape " + shape_text(tensor.shape) + " where the model has " + shape_text(wanted.shape),
      place(source, tensor), "set the sizes of [model] to those of the weights");
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

class Loading {
 public:
  Loading(const std::filesystem::path& path, TrainState& state) : source_(open_weights(path)), state_(state) {}

  std::vector<std::string> run() {
    check_names();
    for (const Segment& segment : state_.online.segments()) {
      const auto found = source_.tensors.find(segment.name);
      if (found != source_.tensors.end()) load(segment, found->second);
    }
    state_.target.values().copy_(state_.online.values().narrow(0, 0, state_.target.values().numel()));
    if (source_.is_checkpoint) load_buffers();
    const std::string network = source_.network.empty() ? "" : " (" + source_.network + ")";
    notes_.insert(notes_.begin(), "beginning with " + std::to_string(loaded_) + " tensors of " + source_.path +
                                      network +
                                      (has("prototypes") ? ", prototypes among them" : "; prototypes are drawn"));
    return notes_;
  }

 private:
  bool has(const std::string& name) const { return source_.tensors.contains(name); }

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
    for (const auto& [name, tensor] : source_.tensors) {
      if (!known.contains(name)) {
        throw config_error("unexpected tensor", place(source_, tensor),
                           "remove it from the file, or set the sizes of [model] to those of the weights");
      }
    }
    for (const Segment& segment : state_.online.segments()) {
      const bool optional = segment.name == "prototypes" || (is_head(segment.name) && !any_head);
      if (optional || has(segment.name)) continue;
      throw config_error("missing tensor", source_.path + ":" + segment.name,
                         is_head(segment.name) ? "give the whole head (fc.*) or nothing of it"
                                               : "give the whole encoder, and set model.depth to its blocks");
    }
    if (!any_head) notes_.push_back("the weights hold no projection head (fc.*): it is drawn");
  }

  void load(const Segment& segment, const StoredTensor& tensor) {
    at::Tensor values;
    if (tensor.shape == segment.shape) {
      values = read_finite(source_, tensor);
    } else {
      const std::int64_t from = segment.name == "pos_embed" ? grid_of(tensor.shape, segment) : 0;
      if (from == 0) throw_shape(source_, tensor, segment);
      const std::int64_t to = state_.shape.grid;
      values = resample(read_finite(source_, tensor), from, to);
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
        const auto stored = [&](const char* buffer) {
          const auto found = source_.tensors.find(bn.name + std::string(buffer));
          if (found == source_.tensors.end())
            throw config_error("missing tensor", source_.path + ":target." + bn.name + buffer,
                               "use another checkpoint");
          return found->second.read();
        };
        bn.buffers->running_mean.copy_(stored(".running_mean"));
        bn.buffers->running_var.copy_(stored(".running_var"));
        bn.buffers->batches = stored(".num_batches_tracked").item<std::int64_t>();
      }
    }
  }

  WeightSource source_;
  TrainState& state_;
  std::vector<std::string> notes_;
  int loaded_ = 0;
};

}  // namespace

std::vector<std::string> load_initial_weights(const std::filesystem::path& path, TrainState& state) {
  return Loading(path, state).run();
}

}  // namespace msn
