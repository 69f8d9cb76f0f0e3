// SPDX-License-Identifier: Apache-2.0
#include "exchange/vit_names.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <span>

#include "base/error.hpp"
#include "exchange/shape_text.hpp"

namespace msn {

namespace {

/// A module that has the same place in every spelling.
struct Module {
  std::string_view official, legacy, current;
};
constexpr std::array<Module, 4> kOutside{{
    {"cls_token", "embeddings.cls_token", "embeddings.cls_token"},
    {"pos_embed", "embeddings.position_embeddings", "embeddings.position_embeddings"},
    {"patch_embed.proj", "embeddings.patch_embeddings.projection", "embeddings.patch_embeddings.projection"},
    {"norm", "layernorm", "layernorm"},
}};
constexpr std::array<Module, 5> kInBlock{{
    {"norm1", "layernorm_before", "layernorm_before"},
    {"attn.proj", "attention.output.dense", "attention.o_proj"},
    {"norm2", "layernorm_after", "layernorm_after"},
    {"mlp.fc1", "intermediate.dense", "mlp.fc1"},
    {"mlp.fc2", "output.dense", "mlp.fc2"},
}};
constexpr std::string_view kFused = "attn.qkv";
/// Queries, keys and values by themselves, in the order of the fused tensor's rows.
constexpr std::array<std::array<std::string_view, 3>, 2> kOfficialParts{
    {{"attn.q", "attn.k", "attn.v"}, {"attn.q_proj", "attn.k_proj", "attn.v_proj"}}};
constexpr std::array<std::string_view, 3> kLegacyParts{"attention.attention.query", "attention.attention.key",
                                                       "attention.attention.value"};
constexpr std::array<std::string_view, 3> kCurrentParts{"attention.q_proj", "attention.k_proj", "attention.v_proj"};

/// What a file may hold beside a network that msn has no use for.
constexpr std::array<std::string_view, 3> kNoPart{"head.", "classifier.", "pooler."};

bool strip(std::string_view& name, std::string_view prefix) {
  if (!name.starts_with(prefix)) return false;
  name.remove_prefix(prefix.size());
  return true;
}

std::string_view block_prefix(VitNames names) {
  switch (names) {
    case VitNames::official:
      return "blocks.";
    case VitNames::hf_legacy:
      return "encoder.layer.";
    case VitNames::hf_current:
      return "layers.";
  }
  throw internal_error("a spelling of names that there is not", "block_prefix");
}

std::string_view spelled(const Module& module, VitNames names) {
  return names == VitNames::official ? module.official : names == VitNames::hf_legacy ? module.legacy : module.current;
}

/// The official tensor that a stored one is, or the third of it that it is.
struct Role {
  std::string official;
  std::optional<std::size_t> part;  ///< 0: queries, 1: keys, 2: values.
};

/// "norm1.weight" -> "norm1" and ".weight"; a name without a dot is all module.
std::pair<std::string_view, std::string_view> split_end(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return {name, {}};
  const std::string_view end = name.substr(dot);
  if (end != ".weight" && end != ".bias") return {name, {}};
  return {name.substr(0, dot), end};
}

std::optional<std::size_t> part_of(std::string_view module, VitNames names) {
  const auto within = [&](const std::array<std::string_view, 3>& parts) -> std::optional<std::size_t> {
    const auto* found = std::find(parts.begin(), parts.end(), module);
    if (found == parts.end()) return std::nullopt;
    return static_cast<std::size_t>(found - parts.begin());
  };
  if (names == VitNames::hf_legacy) return within(kLegacyParts);
  if (names == VitNames::hf_current) return within(kCurrentParts);
  const auto first = within(kOfficialParts[0]);
  return first ? first : within(kOfficialParts[1]);
}

/// The role of a name without its prefixes. What is unknown keeps its name.
Role role_of(std::string_view name, VitNames names) {
  std::string_view rest = name;
  if (strip(rest, block_prefix(names))) {
    const std::size_t dot = rest.find('.');
    if (dot == std::string_view::npos) return {std::string(name), {}};
    const std::string block = "blocks." + std::string(rest.substr(0, dot + 1));
    const auto [module, end] = split_end(rest.substr(dot + 1));
    if (const auto part = part_of(module, names)) return {block + std::string(kFused) + std::string(end), part};
    for (const Module& known : kInBlock) {
      if (spelled(known, names) == module) return {block + std::string(known.official) + std::string(end), {}};
    }
    return {std::string(name), {}};
  }
  if (names == VitNames::official) return {std::string(name), {}};
  const auto [module, end] = split_end(name);
  for (const Module& known : kOutside) {
    if (spelled(known, names) == module) return {std::string(known.official) + std::string(end), {}};
  }
  return {std::string(name), {}};
}

bool is_no_part(std::string_view name) {
  if (name == "mask_token" || name == "embeddings.mask_token") return true;
  return std::any_of(kNoPart.begin(), kNoPart.end(), [&](std::string_view start) { return name.starts_with(start); });
}

std::string_view without_vit(std::string_view name) {
  strip(name, "vit.");
  return name;
}

VitNames spelling_of(const std::vector<NamedTensor>& stored, const std::string& path) {
  std::optional<VitNames> found;
  bool hugging_face = false;
  for (const NamedTensor& tensor : stored) {
    const std::string_view name = without_vit(tensor.name);
    hugging_face |= name.starts_with("embeddings.") || name.starts_with("layernorm.");
    for (const VitNames names : {VitNames::hf_legacy, VitNames::hf_current}) {
      if (!name.starts_with(block_prefix(names))) continue;
      if (found && *found != names)
        throw config_error("the file has old and new names of transformers", tensor.place, "save it with one of both");
      found = names;
    }
  }
  if (found) return *found;
  if (hugging_face)
    throw config_error("the file has names of transformers, but no layer", path, "give the whole encoder");
  return VitNames::official;
}

/// Where a stored name belongs: which network ("" where the file holds one alone), and the name in it.
struct Place {
  std::string network;
  std::string_view name;
};

Place place_of(std::string_view stored, VitNames names) {
  if (names != VitNames::official) return {"", without_vit(stored)};
  Place place;
  strip(stored, "module.");
  for (const std::string_view network : {"target_encoder", "encoder", "teacher", "student"}) {
    std::string_view rest = stored;
    if (!strip(rest, network) || !strip(rest, ".")) continue;
    place.network = network;
    stored = rest;
    break;
  }
  strip(stored, "module.");
  strip(stored, "backbone.");
  place.name = stored;
  return place;
}

/// The network to take, of those that the file has.
std::string choose(const std::vector<NamedTensor>& stored, VitNames names, Network wanted) {
  const auto has = [&](std::string_view network) {
    return std::any_of(stored.begin(), stored.end(),
                       [&](const NamedTensor& tensor) { return place_of(tensor.name, names).network == network; });
  };
  if (wanted == Network::target) {
    for (const char* network : {"target_encoder", "teacher"}) {
      if (has(network)) return network;
    }
  }
  for (const char* network : {"encoder", "student"}) {
    if (has(network)) return network;
  }
  return "";
}

/// Three tensors of equal shape, one after the other.
NamedTensor joined(const std::string& official, const std::array<const NamedTensor*, 3>& parts, VitNames names,
                   const std::string& path) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (parts[i] != nullptr) continue;
    const NamedTensor* other = *std::find_if(parts.begin(), parts.end(), [](const auto* part) { return part; });
    const std::string_view word = std::array<std::string_view, 3>{"query", "key", "value"}[i];
    throw config_error("missing tensor: the " + std::string(word) + " that belongs to this one", other->place,
                       "give the whole encoder");
  }
  const NamedTensor& first = *parts[0];
  for (const NamedTensor* part : parts) {
    if (part->shape != first.shape || part->dtype != first.dtype || part->shape.empty()) {
      throw config_error("the tensor is " + part->dtype + shape_text(part->shape) + " where " + first.place + " is " +
                             first.dtype + shape_text(first.shape),
                         part->place, "queries, keys and values of a layer have one shape and one dtype");
    }
  }
  NamedTensor whole{official, first.dtype, first.shape,
                    [parts = std::array{*parts[0], *parts[1], *parts[2]}] {
                      std::vector<std::byte> bytes = parts[0].read();
                      for (const NamedTensor& part : std::span(parts).subspan(1)) {
                        const std::vector<std::byte> more = part.read();
                        bytes.insert(bytes.end(), more.begin(), more.end());
                      }
                      return bytes;
                    },
                    path + ":" + name_in(names, official)};
  // A size is at most 2^62: three times that does not overflow unsigned, and no real tensor comes near.
  if (first.shape[0] > (std::int64_t{1} << 40))
    throw config_error("the tensor has too many rows", first.place, "use other weights");
  whole.shape[0] *= 3;
  return whole;
}

}  // namespace

const NamedTensor* VitTensors::find(std::string_view official) const {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const NamedTensor& tensor) { return tensor.name == official; });
  return found == tensors.end() ? nullptr : &*found;
}

VitTensors to_official_names(const std::vector<NamedTensor>& stored, const std::string& path, Network network) {
  VitTensors vit;
  vit.names = spelling_of(stored, path);
  vit.network = choose(stored, vit.names, network);
  std::map<std::string, std::array<const NamedTensor*, 3>, std::less<>> parts;
  std::map<std::string, std::size_t, std::less<>> seen;  // Official name -> index in vit.tensors.
  const auto refuse_second = [&](const std::string& official, const NamedTensor& tensor) {
    throw config_error("two tensors are " + official, tensor.place, "remove one from the file");
  };
  for (const NamedTensor& tensor : stored) {
    const Place place = place_of(tensor.name, vit.names);
    const bool is_prototypes = place.network.empty() && place.name == "prototypes";
    if (place.network != vit.network && !is_prototypes) {
      if (!place.network.empty()) continue;  // The other network's.
      if (is_no_part(place.name)) {
        vit.passed_over.push_back(tensor.name);
        continue;
      }
      throw config_error("unexpected tensor beside those of " + vit.network, tensor.place, "remove it from the file");
    }
    if (is_no_part(place.name)) {
      vit.passed_over.push_back(tensor.name);
      continue;
    }
    const Role role = role_of(place.name, vit.names);
    const auto [found, is_new] = seen.emplace(role.official, vit.tensors.size());
    if (!role.part) {
      if (!is_new) refuse_second(role.official, tensor);
      NamedTensor named = tensor;
      named.name = role.official;
      vit.tensors.push_back(std::move(named));
      continue;
    }
    // The place of the joined tensor is that of its first part.
    if (is_new) vit.tensors.push_back({role.official, {}, {}, {}, {}});
    const auto group =
        is_new ? parts.emplace(role.official, std::array<const NamedTensor*, 3>{}).first : parts.find(role.official);
    if (group == parts.end() || group->second[*role.part] != nullptr) refuse_second(role.official, tensor);
    group->second[*role.part] = &tensor;
  }
  for (const auto& [official, group] : parts)
    vit.tensors[seen.at(official)] = joined(official, group, vit.names, path);
  return vit;
}

std::string passed_over_text(const VitTensors& vit) {
  constexpr std::size_t shown = 4;
  std::string text = "passing over what is no part of the network: ";
  for (std::size_t i = 0; i < std::min(shown, vit.passed_over.size()); ++i)
    text += (i > 0 ? ", " : "") + vit.passed_over[i];
  if (vit.passed_over.size() > shown) text += " and " + std::to_string(vit.passed_over.size() - shown) + " more";
  return text;
}

std::string name_in(VitNames names, std::string_view official) {
  if (names == VitNames::official) return std::string(official);
  std::string_view rest = official;
  const auto [whole, whole_end] = split_end(official);
  for (const Module& known : kOutside) {
    if (known.official == whole) return std::string(spelled(known, names)) + std::string(whole_end);
  }
  if (!strip(rest, "blocks.") || rest.find('.') == std::string_view::npos) return std::string(official);
  const std::size_t dot = rest.find('.');
  const std::string block = std::string(block_prefix(names)) + std::string(rest.substr(0, dot + 1));
  const auto [module, end] = split_end(rest.substr(dot + 1));
  if (module == kFused)
    return block + std::string(names == VitNames::hf_legacy ? kLegacyParts[0] : kCurrentParts[0]) + std::string(end);
  for (const Module& known : kInBlock) {
    if (known.official == module) return block + std::string(spelled(known, names)) + std::string(end);
  }
  return std::string(official);
}

std::vector<NamedTensor> to_hugging_face_names(const std::vector<NamedTensor>& official) {
  std::vector<NamedTensor> renamed;
  for (const NamedTensor& tensor : official) {
    const std::string name = name_in(VitNames::hf_legacy, tensor.name);
    if (name == tensor.name) continue;  // Head or prototypes.
    const std::size_t at = name.find(kLegacyParts[0]);
    if (at == std::string::npos) {
      renamed.push_back({name, tensor.dtype, tensor.shape, tensor.read, tensor.place});
      continue;
    }
    std::vector<std::int64_t> shape = tensor.shape;
    MSN_CHECK(!shape.empty() && shape[0] % 3 == 0);
    shape[0] /= 3;
    for (std::size_t part = 0; part < kLegacyParts.size(); ++part) {
      std::string part_name = name;
      part_name.replace(at, kLegacyParts[0].size(), kLegacyParts[part]);
      const auto read = [part, read = tensor.read] {
        const std::vector<std::byte> all = read();
        const auto third = static_cast<std::ptrdiff_t>(all.size() / 3);
        const auto begin = all.begin() + static_cast<std::ptrdiff_t>(part) * third;
        return std::vector<std::byte>(begin, begin + third);
      };
      renamed.push_back({std::move(part_name), tensor.dtype, shape, read, tensor.place});
    }
  }
  return renamed;
}

}  // namespace msn
