// SPDX-License-Identifier: Apache-2.0
// The Vision Transformer from patch rows to class tokens, forward and backward by hand.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <vector>

#include "model/attention.hpp"
#include "model/fused.hpp"
#include "model/layers.hpp"
#include "model/parameters.hpp"
#include "model/recompute.hpp"
#include "model/vit.hpp"

namespace msn {

/// Views of one size: their visible patches. Views of different sizes or masks are different groups.
struct ViewGroup {
  at::Tensor patches;     ///< [images, visible, 3 * patch²]; masked patches are simply not here.
  at::Tensor keep;        ///< int64 [visible] (one mask for all) or [images, visible]: which patches; undefined: all.
  std::int64_t grid = 0;  ///< Patches a side before masking.
  /// [depth, 2, images]: what each image's attention (0) and MLP (1) branch is multiplied by in each block, for drop
  /// path; undefined: 1.
  at::Tensor branch_scale;

  std::int64_t images() const { return patches.size(0); }
  std::int64_t tokens() const { return patches.size(1) + 1; }
};
using ViewGroups = std::vector<ViewGroup>;

/// What one forward pass leaves for its backward pass. Used once.
struct Tape {
  struct Block {
    LayerNormed norm1;                     ///< Its sum is the block's input. `normed` is undefined if it is recomputed.
    at::Tensor qkv;                        ///< In the last block of keys and values only.
    at::Tensor q, k, v;                    ///< Views of it, but for the last block's queries.
    std::vector<AttentionTape> attention;  ///< One a group.
    at::Tensor mixed;                      ///< Attention's output, before the projection.
    LayerNormed norm2;
    at::Tensor hidden;     ///< Before the bias and the GELU.
    at::Tensor activated;  ///< After them; undefined if it is recomputed.
  };
  ViewGroups groups;
  std::vector<Block> blocks;
  LayerNormed norm;
};

/// Where a class token is taken: training uses it after the final layer norm, evaluation also before it.
enum class ClassToken { before_norm, after_norm };

/// Which class tokens a network is looked at by.
struct TokenChoice {
  ClassToken where = ClassToken::after_norm;  ///< With after_norm the final norm is applied to each block's token.
  std::int64_t layer = 0;                     ///< The block after which it is taken, from 1; 0: the last.
  std::int64_t blocks = 1;                    ///< So many blocks up to there, their tokens side by side, in order.

  bool operator==(const TokenChoice&) const = default;
};

/// Called in a backward pass with an offset into the flat gradients when all from there to the offset of the call
/// before (first: to the end of the trunk) is complete. The last call gives 0.
using OnReady = std::function<void(std::int64_t offset)>;

/// Same code for the online and the target network. No collectives in here. Holds views of `parameters`, which must
/// outlive it.
class Trunk {
 public:
  /// `weights`: the layout of `parameters` in the type that the trunk computes in, bfloat16 beside float32 parameters;
  /// undefined: the parameters' own.
  Trunk(const Parameters& parameters, const VitShape& shape, const at::Tensor& weights = {},
        Recompute recompute = Recompute::norms_and_activations);

  /// Class tokens [images of all groups, width] in the parameters' type, groups in order; patches are in the type of
  /// the weights. All groups run as one packed row matrix through the token-wise layers, attention once a group. Only
  /// the class token of the last block is used, so that block's queries, projection and MLP are computed for it alone.
  /// `tape` null: nothing is kept; else `where` must be after_norm.
  at::Tensor forward(const ViewGroups& groups, Tape* tape, ClassToken where = ClassToken::after_norm) const;

  /// Class tokens [images of all groups, blocks * width] of some blocks; of the last block alone what forward() without
  /// a tape gives. Blocks behind choice.layer are not computed. Any number of threads may call, if all grids are the
  /// position table's own. `choice` must fit the depth.
  at::Tensor class_tokens(const ViewGroups& groups, const TokenChoice& choice) const;

  /// Adds to the gradients, from the gradient [images of all groups, width] of what forward() returned.
  void backward(const at::Tensor& dcls, Tape& tape, const OnReady& on_ready = {}) const;

 private:
  enum class Branch : std::int64_t { attention = 0, mlp = 1 };
  struct Block {
    std::int64_t offset;  ///< Of its first tensor in the flat buffer.
    Affine norm1;
    Linear qkv;
    Linear proj;
    Affine norm2;
    Linear fc1;
    Linear fc2;
  };

  at::Tensor table(const ViewGroup& group) const;
  at::Tensor embed_all(const ViewGroups& groups) const;
  void embed_all_backward(const at::Tensor& dx, const ViewGroups& groups) const;
  const at::Tensor& resampling(std::int64_t grid) const;
  Stream block_forward(std::size_t index, const Stream& stream, const ViewGroups& groups, Tape::Block* tape) const;
  StreamGradient block_backward(std::size_t index, const StreamGradient& gradient, const ViewGroups& groups,
                                Tape::Block& tape) const;
  at::Tensor row_scale(const ViewGroups& groups, std::size_t block, Branch branch) const;
  LayerNormed final_norm(Stream stream) const;

  VitShape shape_;
  Recompute recompute_;
  at::Tensor cls_token_, cls_token_gradient_;  ///< [width]
  at::Tensor positions_, positions_gradient_;  ///< [1 + grid², width]
  Linear patch_embed_;
  std::vector<Block> blocks_;
  Affine norm_;
  std::int64_t norm_offset_;
  mutable std::map<std::int64_t, at::Tensor> resamplings_;  ///< By grid; made on first use.
};

}  // namespace msn
