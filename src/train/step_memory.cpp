// SPDX-License-Identifier: Apache-2.0
#include "train/step_memory.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <numeric>

namespace msn {
namespace {

using Piece = MemoryLedger::Piece;
using Groups = std::vector<GroupSizes>;

constexpr std::int64_t kDouble = 8;
constexpr std::int64_t kLong = 8;

std::int64_t rows_of(const GroupSizes& group) {
  return group.images * group.tokens;
}

std::int64_t sum_of(const Groups& groups, std::int64_t (*of)(const GroupSizes&)) {
  return std::accumulate(groups.begin(), groups.end(), std::int64_t{0},
                         [of](std::int64_t sum, const GroupSizes& group) { return sum + of(group); });
}

std::int64_t images_of(const Groups& groups) {
  return sum_of(groups, [](const GroupSizes& group) { return group.images; });
}

bool drops_paths(const Groups& groups) {
  return std::any_of(groups.begin(), groups.end(), [](const GroupSizes& group) { return group.drops_paths; });
}

struct StreamPieces {
  Piece x, branch, row_scale;
};

struct NormPieces {
  Piece sum, mean, rstd, normed;
};

struct BlockPieces {
  NormPieces norm1, norm2;
  Piece qkv, q, mixed, hidden, activated;
  std::vector<Piece> attention;  ///< What it leaves of each group.
};

struct TapePieces {
  std::vector<BlockPieces> blocks;
  NormPieces norm;
};

struct GradientPieces {
  Piece dx, dbranch;
};

/// Trunk, of one network.
class TrunkSizes {
 public:
  TrunkSizes(const StepSizes& sizes, MemoryLedger& ledger) : sizes_(sizes), shape_(sizes.shape), ledger_(ledger) {}

  /// Returns the class tokens.
  Piece forward(const Groups& groups, TapePieces* tape) {
    const MemoryUse kept = tape == nullptr ? MemoryUse::forward_block : MemoryUse::tape;
    if (tape != nullptr) tape->blocks.assign(static_cast<std::size_t>(shape_.depth), {});
    StreamPieces stream{embed_all(groups, kept), {}, {}};
    for (std::int64_t i = 0; i < shape_.depth; ++i)
      stream = block_forward(i, stream, groups, tape == nullptr ? nullptr : &tape->blocks[static_cast<std::size_t>(i)]);
    const std::int64_t images = images_of(groups);
    if (sizes_.value_bytes != sizes_.parameter_bytes) {
      stream.x = parameters(kept, images, shape_.width);
      stream.branch = parameters(kept, images, shape_.width);
    }
    const NormPieces last =
        add_layer_norm(stream, images, shape_.width * sizes_.parameter_bytes, kept, MemoryUse::head_and_loss);
    if (tape != nullptr) tape->norm = {last.sum, last.mean, last.rstd, {}};
    return last.normed;
  }

  void backward(const Groups& groups, TapePieces& tape) {
    constexpr MemoryUse use = MemoryUse::backward_block;
    const std::int64_t images = images_of(groups);
    GradientPieces gradient;
    {
      const Piece dcls = parameters(use, images, shape_.width);
      const Piece scale = row_scale(groups, true, use);
      gradient.dx = sizes_.form == KernelForm::torch ? parameters(use, images, shape_.width) : dcls;
      gradient.dbranch = scale ? parameters(use, images, shape_.width) : gradient.dx;
    }
    if (sizes_.value_bytes != sizes_.parameter_bytes)
      gradient = {values(use, images, shape_.width), values(use, images, shape_.width)};
    for (std::int64_t i = shape_.depth; i-- > 0;) {
      gradient = block_backward(i, gradient, groups, tape.blocks[static_cast<std::size_t>(i)]);
      tape.blocks[static_cast<std::size_t>(i)] = {};
    }
    embed_all_backward(groups);
  }

 private:
  Piece values(MemoryUse use, std::int64_t rows, std::int64_t columns) {
    return ledger_.hold(use, rows * columns * sizes_.value_bytes);
  }
  Piece parameters(MemoryUse use, std::int64_t rows, std::int64_t columns) {
    return ledger_.hold(use, rows * columns * sizes_.parameter_bytes);
  }

  /// What add_product() takes beside its operands, for dW [rows of dW, columns] from `inner` rows.
  void add_product(std::int64_t rows, std::int64_t columns, std::int64_t inner) {
    const bool bf16 = sizes_.value_bytes == 2;
    const GemmKind kind = bf16               ? GemmKind::bf16_weight_gradient
                          : inner < kFewRows ? GemmKind::fp32_weight_gradient_few_rows
                                             : GemmKind::fp32_weight_gradient;
    const bool has_choice = bf16 || sizes_.value_bytes == 4;
    if (!has_choice || sizes_.gemm.of(kind) == GemmBackend::mkl) return;
    const Piece product = values(MemoryUse::backward_block, rows, columns);
    // oneDNN copies the narrower operand, which is transposed.
    const Piece copy = values(MemoryUse::backward_block, inner, bf16 ? 0 : std::min(rows, columns));
  }

  /// Whether attention is computed by LibTorch's back ends.
  bool in_torch() const { return sizes_.form != KernelForm::rows; }
  /// By products and a softmax: of a single query always.
  bool is_plain(bool last) const { return in_torch() && (last || sizes_.plain_attention); }

  /// Sequences of a group as LibTorch's back ends want them: in the type of sums, and one behind the other.
  std::vector<Piece> sequences(int count, std::int64_t rows, MemoryUse use) {
    std::vector<Piece> pieces;
    for (int i = 0; i < count; ++i)
      pieces.push_back(parameters(use, rows, shape_.width));
    return pieces;
  }

  void attention(const GroupSizes& group, bool last, MemoryUse use) {
    if (!in_torch()) return;
    const std::int64_t queries = last ? group.images : rows_of(group), keys = rows_of(group);
    if (!is_plain(last)) {
      const Piece out = values(use, queries, shape_.width);
      return;
    }
    const std::int64_t scores = queries * group.tokens;
    const std::vector<Piece> q = sequences(1, queries, use);
    const std::vector<Piece> others = sequences(sizes_.value_bytes < sizes_.parameter_bytes ? 2 : 0, keys, use);
    Piece before_softmax;
    {
      const std::vector<Piece> q_copy = sequences(1, queries, use), k_copy = sequences(1, keys, use);
      before_softmax = parameters(use, scores, shape_.heads);
    }
    const Piece probabilities = parameters(use, scores, shape_.heads);
    before_softmax.reset();
    const std::vector<Piece> v_copy = sequences(1, keys, use), out = sequences(1, queries, use);
  }

  void attention_backward(const GroupSizes& group, bool last) {
    constexpr MemoryUse use = MemoryUse::backward_block;
    if (!in_torch()) return;
    const std::int64_t queries = last ? group.images : rows_of(group), keys = rows_of(group);
    if (!is_plain(last)) {
      const Piece dq = values(use, queries, shape_.width), dk = values(use, keys, shape_.width),
                  dv = values(use, keys, shape_.width);
      return;
    }
    const bool converts = sizes_.value_bytes < sizes_.parameter_bytes;
    const std::int64_t scores = queries * group.tokens;
    const std::vector<Piece> q = sequences(converts ? 2 : 1, queries, use),
                             others = sequences(converts ? 2 : 0, keys, use);
    const Piece probabilities = parameters(use, scores, shape_.heads);
    Piece dprobabilities;
    {
      const std::vector<Piece> d_copy = sequences(1, queries, use), v_copy = sequences(1, keys, use);
      dprobabilities = parameters(use, scores, shape_.heads);
    }
    const Piece dscores = parameters(use, scores, shape_.heads);
    dprobabilities.reset();
    const std::vector<Piece> dq = sequences(1, queries, use), dk = sequences(1, keys, use),
                             dv = sequences(1, keys, use), copy = sequences(1, queries, use);
  }

  Piece row_scale(const Groups& groups, bool one_token, MemoryUse use) {
    if (!drops_paths(groups)) return {};
    std::vector<Piece> parts;
    if (!one_token) {
      for (const GroupSizes& group : groups)
        parts.push_back(parameters(use, rows_of(group), 1));
    }
    return parameters(use, one_token ? images_of(groups) : sum_of(groups, rows_of), 1);
  }

  Piece embed_all(const Groups& groups, MemoryUse use) {
    const std::int64_t width = shape_.width;
    Piece x = values(use, sum_of(groups, rows_of), width);
    for (const GroupSizes& group : groups) {
      constexpr MemoryUse work = MemoryUse::forward_block;
      const std::int64_t tables = group.masks > 1 ? group.images : 1;
      const auto table = [&] {
        if (Piece& matrix = resamplings_[group.grid]; group.grid != shape_.grid && !matrix)
          matrix = parameters(MemoryUse::weights, group.grid * group.grid, shape_.grid * shape_.grid);
        const std::int64_t rows = tables * (group.tokens - 1);
        const Piece positions = group.masks > 0 || group.grid != shape_.grid ? parameters(work, rows, width) : Piece();
        const Piece result = parameters(work, tables * group.tokens, width);
        const Piece with_bias = parameters(work, rows, width);
        return result;
      }();
      const Piece product = values(work, group.images * (group.tokens - 1), width);
    }
    return x;
  }

  void embed_all_backward(const Groups& groups) {
    constexpr MemoryUse use = MemoryUse::backward_block;
    for (const GroupSizes& group : groups) {
      const std::int64_t patches = group.images * (group.tokens - 1);
      const Piece dpatches = values(use, patches, shape_.width);
      const Piece dtable = parameters(use, group.tokens, shape_.width);
      add_product(shape_.width, shape_.patch_values(), patches);
      const bool converts = group.masks > 1 && sizes_.value_bytes != sizes_.parameter_bytes;
      const Piece dpositions = converts ? parameters(use, patches, shape_.width) : Piece();
      const Piece of_grid = group.masks > 0 ? parameters(use, group.grid * group.grid, shape_.width) : Piece();
    }
  }

  /// `row_bytes`: of the stream.
  NormPieces add_layer_norm(const StreamPieces& stream, std::int64_t rows, std::int64_t row_bytes, MemoryUse kept,
                            MemoryUse normed) {
    return {stream.branch ? stream.branch : stream.x, parameters(kept, rows, 1), parameters(kept, rows, 1),
            ledger_.hold(normed, rows * row_bytes)};
  }

  StreamPieces block_forward(std::int64_t index, const StreamPieces& stream, const Groups& groups, BlockPieces* tape) {
    const bool last = index + 1 == shape_.depth;
    const std::int64_t d = shape_.width, all = sum_of(groups, rows_of), images = images_of(groups);
    const std::int64_t rows = last ? images : all;
    constexpr MemoryUse work = MemoryUse::forward_block;
    const MemoryUse kept = tape == nullptr ? work : MemoryUse::tape;
    const bool keeps = tape != nullptr && sizes_.recompute == Recompute::nothing;
    NormPieces norm1 = add_layer_norm(stream, all, d * sizes_.value_bytes, kept, keeps ? kept : work);
    Piece q;
    if (last) {
      const Piece class_rows = values(work, images, d);
      q = values(kept, images, d);
    }
    const Piece projected = values(kept, all, last ? 2 * d : 3 * d);
    if (!keeps) norm1.normed.reset();
    const Piece mixed = values(kept, rows, d);
    std::vector<Piece> left;
    for (const GroupSizes& group : groups) {
      attention(group, last, work);
      if (tape != nullptr && !is_plain(last))
        left.push_back(parameters(kept, last ? group.images : rows_of(group), shape_.heads));
    }
    if (tape != nullptr && in_torch() && !is_plain(last)) left.push_back(mixed);
    NormPieces norm2;
    {
      const Piece class_rows = last ? values(work, images, d) : Piece();
      const Piece branch = values(kept, rows, d);
      const Piece scale = row_scale(groups, last, work);
      norm2 = add_layer_norm({{}, branch, {}}, rows, d * sizes_.value_bytes, kept, keeps ? kept : work);
    }
    const Piece hidden = values(kept, rows, shape_.mlp());
    const Piece activated = tape == nullptr ? hidden : values(keeps ? kept : work, rows, shape_.mlp());
    const Piece x = norm2.sum;
    if (tape != nullptr) {
      if (!keeps) norm2.normed.reset();
      *tape = {norm1, norm2, projected, q, mixed, hidden, keeps ? activated : Piece(), left};
    }
    const Piece branch = values(kept, rows, d);
    return {x, branch, row_scale(groups, last, work)};
  }

  /// In place of `dnormed`, but for LibTorch's operator. `skips`: dskip is spread over the rows.
  GradientPieces layer_norm_backward(const Piece& dnormed, std::int64_t rows, bool skips, const Piece& row_scale) {
    constexpr MemoryUse use = MemoryUse::backward_block;
    const bool in_torch = sizes_.form == KernelForm::torch;
    const Piece dx = in_torch ? values(use, rows, shape_.width) : dnormed;
    if (in_torch && skips) {
      const Piece spread = values(use, rows, shape_.width);
    }
    return {dx, row_scale ? values(use, rows, shape_.width) : dx};
  }

  GradientPieces block_backward(std::int64_t index, const GradientPieces& /*gradient*/, const Groups& groups,
                                BlockPieces& tape) {
    constexpr MemoryUse use = MemoryUse::backward_block;
    const bool last = index + 1 == shape_.depth;
    const std::int64_t d = shape_.width, all = sum_of(groups, rows_of), images = images_of(groups);
    const std::int64_t rows = last ? images : all;
    const Piece dhidden = values(use, rows, shape_.mlp());
    if (sizes_.form == KernelForm::torch && tape.activated) {
      const Piece sum = values(use, rows, shape_.mlp());
    }
    add_product(d, shape_.mlp(), rows);
    tape.hidden.reset();
    tape.activated.reset();
    if (!tape.norm2.normed) tape.norm2.normed = values(use, rows, d);
    add_product(shape_.mlp(), d, rows);
    tape.norm2.normed.reset();
    GradientPieces middle;
    {
      const Piece scale = row_scale(groups, last, use);
      middle = layer_norm_backward(values(use, rows, d), rows, false, scale);
    }
    tape.norm2 = {};
    add_product(d, d, rows);
    tape.mixed.reset();
    const Piece dmixed = values(use, rows, d);
    for (const GroupSizes& group : groups)
      attention_backward(group, last);
    tape.attention.clear();
    if (!tape.norm1.normed) tape.norm1.normed = values(use, all, d);
    add_product(last ? 2 * d : 3 * d, d, all);
    const Piece dnormed1 = values(use, all, d);
    if (last) {
      {
        const Piece class_rows = values(use, images, d);
        add_product(d, d, images);
      }
      const Piece of_queries = values(use, images, d);
    }
    const Piece skip_row = last ? ledger_.hold(use, all * kLong) : Piece();
    return layer_norm_backward(dnormed1, all, last, index == 0 ? Piece() : row_scale(groups, false, use));
  }

  const StepSizes& sizes_;
  const VitShape& shape_;
  MemoryLedger& ledger_;
  std::map<std::int64_t, Piece> resamplings_;  ///< By grid.
};

/// Head and loss, in the parameters' type.
class HeadSizes {
 public:
  HeadSizes(const StepSizes& sizes, MemoryLedger& ledger) : sizes_(sizes), shape_(sizes.shape), ledger_(ledger) {}

  struct Tape {
    std::vector<Piece> layer1, layer2;  ///< Of each group.
  };

  /// Returns every group's embeddings, the target's last.
  std::vector<Piece> forward(const std::vector<std::int64_t>& anchors, std::int64_t target, Tape& tape) {
    std::vector<std::int64_t> rows = anchors;
    rows.push_back(target);
    const std::vector<Piece> activated1 = layer_forward(rows, tape.layer1);
    const std::vector<Piece> activated2 = layer_forward(rows, tape.layer2);
    std::vector<Piece> out;
    for (const std::int64_t count : rows)
      out.push_back(values(count, shape_.head_out));
    return out;
  }

  /// Returns the gradients of every group's class tokens.
  std::vector<Piece> backward(const std::vector<std::int64_t>& rows) {
    const std::vector<Piece> d2 = hidden(rows), activated2 = activated_again(rows);
    const Piece sums2 = doubles(static_cast<std::int64_t>(rows.size()) * 2, shape_.head_hidden);
    const std::vector<Piece> d1 = hidden(rows), activated1 = activated_again(rows);
    const Piece sums1 = doubles(static_cast<std::int64_t>(rows.size()) * 2, shape_.head_hidden);
    std::vector<Piece> out;
    for (const std::int64_t count : rows)
      out.push_back(values(count, shape_.width));
    return out;
  }

  /// What msn_loss() leaves: gradients and targets.
  std::vector<Piece> loss(std::int64_t anchors, std::int64_t samples) {
    const std::int64_t out = shape_.head_out, k = sizes_.prototypes;
    const Piece unit_anchors = values(anchors, out), inverse_anchors = values(anchors, 1);
    const Piece unit_prototypes = values(k, out), inverse_prototypes = values(k, 1);
    const Piece message = doubles(k + 1, 1);
    const Piece logits = values(anchors, k);
    // By LibTorch's operators the predictions, their logarithms, the targets of each anchor, and at the most the
    // gradient with two steps on the way to it.
    std::vector<Piece> predictions;
    for (int i = 0; in_torch() && i < 5; ++i)
      predictions.push_back(values(anchors, k));
    Piece sharpened;
    {
      const Piece unit = values(samples, out), inverse = values(samples, 1);
      sharpened = values(samples, k);
    }
    const Piece mean = doubles(k, 1), over_prior = doubles(k, 1);
    const Piece targets = sizes_.sinkhorn > 0 ? values(samples, k) : sharpened;
    const Piece chosen = ledger_.hold(MemoryUse::head_and_loss, samples * kLong);
    const Piece slopes = values(k, 1);
    return {sharpened, targets, chosen, values(anchors, out), values(k, out)};
  }

  Piece values(std::int64_t rows, std::int64_t columns) {
    return ledger_.hold(MemoryUse::head_and_loss, rows * columns * sizes_.parameter_bytes);
  }
  Piece doubles(std::int64_t rows, std::int64_t columns) {
    return ledger_.hold(MemoryUse::head_and_loss, rows * columns * kDouble);
  }

 private:
  std::vector<Piece> hidden(const std::vector<std::int64_t>& rows) {
    std::vector<Piece> pieces;
    for (const std::int64_t count : rows)
      pieces.push_back(values(count, shape_.head_hidden));
    return pieces;
  }

  /// LibTorch's operators leave what lies between them: of one group at a time.
  std::vector<Piece> activated_again(const std::vector<std::int64_t>& rows) {
    std::vector<Piece> pieces;
    for (const std::int64_t count : rows) {
      const std::vector<Piece> between = in_torch() ? hidden({count, count, count}) : std::vector<Piece>();
      pieces.push_back(values(count, shape_.head_hidden));
    }
    return pieces;
  }

  Piece activate(std::int64_t rows) {
    const std::vector<Piece> between = in_torch() ? hidden({rows, rows}) : std::vector<Piece>();
    return values(rows, shape_.head_hidden);
  }

  bool in_torch() const { return sizes_.form != KernelForm::rows; }

  /// The last group, the target's, has no tape and is activated in place, but by LibTorch's operators.
  std::vector<Piece> layer_forward(const std::vector<std::int64_t>& rows, std::vector<Piece>& kept) {
    const std::vector<Piece> xs = hidden(rows);
    const auto groups = static_cast<std::int64_t>(rows.size()), length = 1 + 2 * shape_.head_hidden;
    for (const std::int64_t count : rows) {
      if (!in_torch()) break;
      const Piece as_doubles = doubles(count, shape_.head_hidden), differences = doubles(count, shape_.head_hidden);
    }
    const Piece local = doubles(groups, length), gathered = doubles(groups * sizes_.ranks, length);
    const Piece totals = doubles(groups, length);
    std::vector<Piece> activated;
    for (std::size_t g = 0; g + 1 < rows.size(); ++g) {
      kept.push_back(xs[g]);
      kept.push_back(values(2, shape_.head_hidden));  // Mean and deviation.
      activated.push_back(activate(rows[g]));
    }
    activated.push_back(in_torch() ? activate(rows.back()) : xs.back());
    return activated;
  }

  const StepSizes& sizes_;
  const VitShape& shape_;
  MemoryLedger& ledger_;
};

std::int64_t flat_bytes(const std::vector<NamedShape>& tensors, std::int64_t value) {
  constexpr std::int64_t line = 64;
  std::int64_t bytes = 0;
  for (const NamedShape& tensor : tensors) {
    const std::int64_t count =
        std::accumulate(tensor.shape.begin(), tensor.shape.end(), std::int64_t{1}, std::multiplies<>());
    bytes += (count * value + line - 1) / line * line;
  }
  return bytes;
}

std::vector<Piece> hold_state(const StepSizes& sizes, MemoryLedger& ledger) {
  std::vector<NamedShape> tensors = encoder_tensors(sizes.shape);
  const std::int64_t value = sizes.parameter_bytes;
  const std::int64_t target = flat_bytes(tensors, value);
  tensors.push_back({"prototypes", {sizes.prototypes, sizes.shape.head_out}});
  const std::int64_t online = flat_bytes(tensors, value);
  std::vector<Piece> state{ledger.hold(MemoryUse::weights, online), ledger.hold(MemoryUse::ema, target),
                           ledger.hold(MemoryUse::gradients, online + 64), ledger.hold(MemoryUse::moments, online),
                           ledger.hold(MemoryUse::moments, online)};
  if (sizes.value_bytes == 2) {
    state.push_back(ledger.hold(MemoryUse::bf16_copies, online / 2));
    state.push_back(ledger.hold(MemoryUse::bf16_copies, target / 2));
  }
  // Mean and variance of two layers of two networks, and their snapshot of a step.
  for (int i = 0; i < 2 * 8; ++i)
    state.push_back(ledger.hold(MemoryUse::statistics, sizes.shape.head_hidden * value));
  state.push_back(ledger.hold(MemoryUse::statistics, sizes.prototypes * kDouble));  // The prior.
  return state;
}

std::vector<Piece> hold_batch(const StepSizes& sizes, MemoryLedger& ledger) {
  std::vector<Piece> batch;
  for (const GroupSizes& group : {sizes.target, sizes.random, sizes.focal}) {
    const std::int64_t patches = group.images * (group.tokens - 1);
    if (sizes.copies_batch)
      batch.push_back(ledger.hold(MemoryUse::batch, patches * sizes.shape.patch_values() * sizes.value_bytes));
    batch.push_back(ledger.hold(MemoryUse::batch, group.masks * (group.tokens - 1) * kLong));
    if (group.drops_paths)
      batch.push_back(ledger.hold(MemoryUse::batch, 2 * sizes.shape.depth * group.images * sizes.parameter_bytes));
  }
  return batch;
}

Groups part_of(const Groups& groups, std::int64_t parts) {
  Groups result = groups;
  for (GroupSizes& group : result) {
    group.images /= parts;
    if (group.masks > 1) group.masks /= parts;
  }
  return result;
}

Piece forward_in_parts(TrunkSizes& trunk, const Groups& groups, std::int64_t parts, HeadSizes& head,
                       std::int64_t width) {
  if (parts == 1) return trunk.forward(groups, nullptr);
  Piece whole;
  for (int part = 0; part < 2; ++part) {  // All others are like the second one.
    const Piece cls = trunk.forward(part_of(groups, parts), nullptr);
    if (part == 0) whole = head.values(images_of(groups), width);
  }
  return whole;
}

}  // namespace

void go_through_step(const StepSizes& sizes, MemoryLedger& ledger) {
  const std::vector<Piece> state = hold_state(sizes, ledger), batch = hold_batch(sizes, ledger);
  TrunkSizes online(sizes, ledger), target(sizes, ledger);
  HeadSizes head(sizes, ledger);
  Groups anchors;
  for (const GroupSizes& group : {sizes.random, sizes.focal}) {
    if (group.images > 0) anchors.push_back(group);
  }
  std::vector<std::int64_t> rows;
  for (const GroupSizes& group : anchors)
    rows.push_back(group.images);

  const Piece target_cls = forward_in_parts(target, {sizes.target}, sizes.parts, head, sizes.shape.width);
  TapePieces tape;
  const Piece anchor_cls = sizes.parts == 1 ? online.forward(anchors, &tape)
                                            : forward_in_parts(online, anchors, sizes.parts, head, sizes.shape.width);
  HeadSizes::Tape head_tape;
  const std::vector<Piece> embeddings = head.forward(rows, sizes.target.images, head_tape);
  const Piece z = head.values(images_of(anchors), sizes.shape.head_out);
  const std::vector<Piece> objective = head.loss(images_of(anchors), sizes.target.images);
  Piece dcls;
  {
    const std::vector<Piece> parts = head.backward(rows);
    dcls = head.values(images_of(anchors), sizes.shape.width);
  }
  if (sizes.parts == 1) {
    online.backward(anchors, tape);
  } else {
    head_tape = {};
    const Groups part = part_of(anchors, sizes.parts);
    TapePieces tape_of_part;
    online.forward(part, &tape_of_part);
    const Piece dcls_of_part = head.values(images_of(part), sizes.shape.width);
    online.backward(part, tape_of_part);
  }
  if (sizes.form == KernelForm::torch) {
    // Three temporaries of a chunk (train/torch_optimizer.cpp).
    constexpr std::int64_t chunk = std::int64_t{16} << 20;
    const std::int64_t encoder = flat_bytes(encoder_tensors(sizes.shape), sizes.parameter_bytes);
    const std::int64_t bytes = 3 * std::min(encoder, chunk * sizes.parameter_bytes);
    const Piece update = ledger.hold(MemoryUse::update, bytes);
  }
}

}  // namespace msn
