// SPDX-License-Identifier: Apache-2.0
// What the tensors of a Vision Transformer with the MSN head are called, and what shapes they have, in the files of
// others: the official MSN code, timm and DINO, and Hugging Face's ViTMSN and ViT in both of their spellings.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "exchange/named_tensor.hpp"

namespace msn {

/// Which of the two networks of a training is meant.
enum class Network { target, online };

enum class VitNames {
  official,   ///< blocks.0.attn.qkv.weight: the official MSN code, DINO and timm; also attn.q, .k and .v by themselves.
  hf_legacy,  ///< encoder.layer.0.attention.attention.query.weight: every published file, and what transformers saves.
  hf_current,  ///< layers.0.attention.q_proj.weight: the modules of transformers 5.
};

/// One network, and the prototypes.
struct VitTensors {
  VitNames names = VitNames::official;  ///< As stored.
  std::string network;                  ///< Which one of several it is in the file, "target_encoder"; may be empty.
  /// Under their official names, in the order stored, each once. Queries, keys and values that are stored by themselves
  /// are one tensor. What has no place in a network keeps the name it has: measure_vit() refuses it.
  std::vector<NamedTensor> tensors;
  /// Stored names of what is left out: heads of a classifier, poolers, mask tokens.
  std::vector<std::string> passed_over;

  const NamedTensor* find(std::string_view official) const;
};

/// Finds one network in the tensors of a file. Names may have "module.", "backbone." or "vit." in front. Where there
/// are such, only those below "target_encoder." count (teacher.), else those below "encoder." (student.); of an online
/// network only the latter do. Prototypes belong to all.
///
/// Throws config_error, naming the tensor, for names of two kinds in one file, two tensors of one name, a tensor beside
/// those of the networks, and a query, key or value without the two others or of another shape or dtype.
VitTensors to_official_names(const std::vector<NamedTensor>& stored, const std::string& path,
                             Network network = Network::target);

/// One line on what is passed over, with the first names; it must not be nothing.
std::string passed_over_text(const VitTensors& vit);

/// The tensors of the trunk, official names, under the legacy names of Hugging Face's ViTMSN without prefix, queries,
/// keys and values by themselves. Head and prototypes have no place there and are left out.
std::vector<NamedTensor> to_hugging_face_names(const std::vector<NamedTensor>& official);

/// The name, or the first of three, by which a file of that spelling has the tensor of the official name.
std::string name_in(VitNames names, std::string_view official);

struct VitSizes {
  std::int64_t width = 0;
  std::int64_t depth = 0;
  std::int64_t patch = 0;
  std::int64_t grid = 0;         ///< Patches a side of the position table.
  std::int64_t head_hidden = 0;  ///< 0: no projection head.
  std::int64_t head_out = 0;
  std::int64_t prototypes = 0;  ///< 0: none.

  bool operator==(const VitSizes&) const = default;
};

/// Official names and shapes of a whole network of these sizes, trunk first; no batch-norm statistics.
std::vector<std::pair<std::string, std::vector<std::int64_t>>> vit_shapes(const VitSizes& sizes);

/// The sizes that the tensors have. The trunk must be whole, the head whole or absent, everything of the right shape
/// and of a floating dtype (but the count of a batch norm), and nothing else be there. Throws config_error, naming file
/// and tensor.
VitSizes measure_vit(const VitTensors& vit, const std::string& path);

}  // namespace msn
