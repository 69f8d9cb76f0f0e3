// SPDX-License-Identifier: Apache-2.0
// The projection head: Linear, BatchNorm, GELU, Linear, BatchNorm, GELU, Linear. Batch statistics are those of the
// whole global batch, for every group (target, random anchors, focal anchors) by itself.
#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "comm/communicator.hpp"
#include "model/layers.hpp"
#include "model/parameters.hpp"
#include "model/vit.hpp"

namespace msn {

/// Views of one network's head. `parameters` must outlive it.
struct Head {
  explicit Head(const Parameters& parameters);
  Linear fc1, fc2, fc3;
  Affine bn1, bn2;
};

/// What a group's backward pass needs.
struct HeadTape {
  struct Layer {
    at::Tensor x;            ///< The linear layer's product, without its bias, [rows, hidden]
    at::Tensor mean;         ///< Of x over all ranks, [hidden]
    at::Tensor inverse_std;  ///< 1 / sqrt(var + eps), [hidden]
    double count = 0;        ///< Rows over all ranks.
  };
  at::Tensor input;  ///< Of the first linear layer, [rows, width]
  Layer layer1, layer2;
};

/// Class tokens that share one set of batch statistics.
struct HeadGroup {
  const Head* head;
  HeadBuffers* buffers;  ///< Running statistics, moved once.
  at::Tensor x;          ///< [rows, width]; the same number of rows on every rank.
  HeadTape* tape;        ///< Null: no gradient.
};

/// Embeddings [rows, head_out] of every group. All groups go layer by layer, so that one message a batch norm carries
/// the statistics of all of them: two collectives. Batch statistics as in Ioffe, Szegedy, arXiv 1502.03167, combined
/// over ranks by Chan et al., "Updating formulae and a pairwise algorithm for computing sample variances" (1979), in
/// rank order.
std::vector<at::Tensor> heads_forward(const std::vector<HeadGroup>& groups, const Communicator& communicator);

/// Adds this rank's gradients of the head's parameters and returns the gradients of every group's x, from `dz`. Two
/// collectives. Every group must have a tape.
std::vector<at::Tensor> heads_backward(const std::vector<HeadGroup>& groups, const std::vector<at::Tensor>& dz,
                                       const Communicator& communicator);

}  // namespace msn
