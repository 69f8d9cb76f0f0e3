// SPDX-License-Identifier: Apache-2.0
#include "model/attention_table.hpp"

#include <array>
#include <charconv>
#include <utility>

#include "base/error.hpp"

namespace msn {
namespace {

constexpr std::array kTypes{std::pair{at::kFloat, std::string_view("fp32")},
                            std::pair{at::kDouble, std::string_view("fp64")},
                            std::pair{at::kBFloat16, std::string_view("bf16")}};

std::string_view type_name(at::ScalarType type) {
  for (const auto& [known, name] : kTypes) {
    if (known == type) return name;
  }
  throw internal_error("attention of a type without a name");
}

std::optional<at::ScalarType> type_from(std::string_view text) {
  for (const auto& [type, name] : kTypes) {
    if (name == text) return type;
  }
  return std::nullopt;
}

std::optional<AttentionBackend> backend_from(std::string_view text) {
  for (const AttentionBackend backend :
       {AttentionBackend::plain, AttentionBackend::flash, AttentionBackend::efficient, AttentionBackend::cudnn}) {
    if (name_of(backend) == text) return backend;
  }
  return std::nullopt;
}

std::optional<std::int64_t> number_from(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 1) return std::nullopt;
  return number;
}

/// What stands before the first `separator`, which is taken off `text` with it; all of it if there is none.
std::string_view take_until(std::string_view& text, std::string_view separator) {
  const std::size_t at = text.find(separator);
  const std::string_view part = text.substr(0, at);
  text = at == std::string_view::npos ? std::string_view() : text.substr(at + separator.size());
  return part;
}

AttentionTable& table_in_force() {
  static AttentionTable table;
  return table;
}

/// Lengths from which cuDNN is the faster one on Hopper. It lost to FlashAttention at 576 tokens of heads of 64 and won
/// at 1024 (sgl-project/sglang#30090, H100); of heads of 80 it won from 576 on (#30089).
constexpr std::int64_t kLong = 700;
constexpr int kHopper = 9;

}  // namespace

std::string_view name_of(AttentionBackend backend) {
  switch (backend) {
    case AttentionBackend::plain:
      return "plain";
    case AttentionBackend::flash:
      return "flash";
    case AttentionBackend::efficient:
      return "efficient";
    case AttentionBackend::cudnn:
      return "cudnn";
  }
  throw internal_error("a back end of attention without a name");
}

std::string to_text(const AttentionShape& shape) {
  return std::string(type_name(shape.type)) + " " + std::to_string(shape.tokens) + "x" +
         std::to_string(shape.head_width);
}

AttentionBackend AttentionTable::of(const AttentionShape& shape) const {
  const auto found = backends_.find(shape);
  return found == backends_.end() ? AttentionBackend::plain : found->second;
}

std::string to_text(const AttentionTable& table) {
  std::string text;
  for (const auto& [shape, backend] : table.backends())
    text += (text.empty() ? "" : ", ") + to_text(shape) + " " + std::string(name_of(backend));
  return text;
}

std::optional<AttentionTable> attention_table_from(std::string_view text) {
  const std::string_view whole = text;
  AttentionTable table;
  while (!text.empty()) {
    std::string_view entry = take_until(text, ", ");
    const auto type = type_from(take_until(entry, " "));
    const auto tokens = number_from(take_until(entry, "x"));
    const auto head_width = number_from(take_until(entry, " "));
    const auto backend = backend_from(entry);
    if (!type || !tokens || !head_width || !backend) return std::nullopt;
    table.set({*type, *tokens, *head_width}, *backend);
  }
  // Each table has one text.
  return to_text(table) == whole ? std::optional(table) : std::nullopt;
}

AttentionTable common_to(const AttentionTable& a, const AttentionTable& b) {
  AttentionTable common;
  for (const auto& [shape, backend] : a.backends())
    common.set(shape, b.of(shape) == backend ? backend : AttentionBackend::plain);
  return common;
}

// Nobody of these computes float64. float32, and TensorFloat-32 with it, only the memory-efficient kernels do:
// FlashAttention and cuDNN have 16-bit types alone. All want rows of whole 16 bytes: head widths that 8 divides.
//
// In bfloat16 the sequences of patches of 16 pixels (37 to 197 tokens) are shorter than what cuDNN is good at, and
// attention is 1 to 4 % of such a step's operations: FlashAttention, which is there from Ampere on. Patches of 8, 7 and
// 4 pixels have targets of 785, 1025 and 3137 tokens, and there attention is up to a sixth of the step: cuDNN, on
// Hopper and what came after it, in heads of at most 128. It has had errors with masks and with lengths that 128 does
// not divide (pytorch/pytorch#196678, #171532, mended in cuDNN 9.15.1); there is never a mask here, and whether it is
// right is tried before a run begins. Of a single query, the last block's, cuDNN had errors as well
// (pytorch/pytorch#138529): it is plain, always.
AttentionBackend default_attention(const AttentionShape& shape, int compute_capability) {
  if (shape.type == at::kDouble || shape.head_width % 8 != 0 || shape.head_width > 256) return AttentionBackend::plain;
  if (shape.type == at::kFloat) return AttentionBackend::efficient;
  const bool cudnn_is_fast = compute_capability >= kHopper && shape.tokens >= kLong && shape.head_width <= 128;
  return cudnn_is_fast ? AttentionBackend::cudnn : AttentionBackend::flash;
}

const AttentionTable& attention_in_force() {
  return table_in_force();
}

void set_attention(const AttentionTable& table) {
  table_in_force() = table;
}

}  // namespace msn
