// SPDX-License-Identifier: Apache-2.0
// The named sizes of the Vision Transformer.
#pragma once

#include <array>
#include <span>
#include <string_view>

namespace msn {

struct ArchPreset {
  std::string_view name;
  int width;
  int depth;
  int heads;
};

/// Tiny, small and base are DeiT's, large and huge the original ViT's; the published MSN models use small, base and
/// large.
inline constexpr std::array<ArchPreset, 5> kArchPresets{{
    {"vit_tiny", 192, 12, 3},
    {"vit_small", 384, 12, 6},
    {"vit_base", 768, 12, 12},
    {"vit_large", 1024, 24, 16},
    {"vit_huge", 1280, 32, 16},
}};

/// The arch of a model whose width, depth and heads are given.
inline constexpr std::string_view kCustomArch = "custom";

namespace detail {
inline constexpr auto kArchNames = [] {
  std::array<std::string_view, kArchPresets.size() + 1> names{};
  for (std::size_t i = 0; i < kArchPresets.size(); ++i)
    names[i] = kArchPresets[i].name;
  names.back() = kCustomArch;
  return names;
}();
}  // namespace detail

/// Every value of model.arch.
constexpr std::span<const std::string_view> arch_names() {
  return detail::kArchNames;
}

}  // namespace msn
