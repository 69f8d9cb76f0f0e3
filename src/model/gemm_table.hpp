// SPDX-License-Identifier: Apache-2.0
// Which back end computes which matrix products: a fixed table by processor, type and shape, never a timing at run
// time, because the choice decides the last bits. `msn bench gemm --write` makes one deliberately.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "kernels/instruction_set.hpp"

namespace msn {

enum class GemmBackend {
  mkl,    ///< The BLAS that LibTorch was built with; MKL in its releases for x86.
  onednn  ///< oneDNN, which LibTorch carries.
};
/// "mkl" or "onednn".
std::string_view name_of(GemmBackend backend);

/// The products that either back end can compute. float64 is the BLAS's alone; products of bfloat16 that give bfloat16
/// are LibTorch's own, which asks oneDNN.
enum class GemmKind : std::size_t {
  fp32_forward,                   ///< x Wᵀ: the right operand is a transposed view.
  fp32_input_gradient,            ///< dy W
  fp32_weight_gradient,           ///< dW += dyᵀ x
  fp32_weight_gradient_few_rows,  ///< The same of fewer than kFewRows rows, as the head has them.
  bf16_weight_gradient,           ///< dW += dyᵀ x, dW in float32.
};
inline constexpr std::size_t kGemmKinds = 5;
inline constexpr std::int64_t kFewRows = 64;
/// "fp32.forward", "fp32.weight_gradient.few_rows", ...
std::string_view name_of(GemmKind kind);

/// A back end for every kind, at its enumerator.
struct GemmTable {
  std::array<GemmBackend, kGemmKinds> backends{};

  GemmBackend of(GemmKind kind) const { return backends[static_cast<std::size_t>(kind)]; }
  GemmBackend& of(GemmKind kind) { return backends[static_cast<std::size_t>(kind)]; }
  bool operator==(const GemmTable&) const = default;
};

/// The same back end for every kind.
GemmTable gemm_table_of(GemmBackend backend);

/// What is used unless the configuration says otherwise.
GemmTable default_gemm_table(kernels::Vendor vendor);

/// "mkl", "onednn", or "fp32.forward=onednn, fp32.input_gradient=mkl, ..." with every kind.
std::string to_text(const GemmTable& table);
/// The table of such a text; nullopt for any other text.
std::optional<GemmTable> gemm_table_from(std::string_view text);

/// A table that was measured, and where.
struct TunedGemm {
  static constexpr int kFormatVersion = 1;

  std::string processor;  ///< kernels::processor_name().
  std::string torch;      ///< Version of LibTorch.
  GemmTable table;
};
/// The text of the file (docs/formats.md).
std::string tuned_gemm_text(const TunedGemm& tuned);
/// Parses and checks a text; `where` is used in messages. Throws config_error if it is no such file.
TunedGemm parse_tuned_gemm(std::string_view text, const std::string& where);
/// parse_tuned_gemm of a file. Throws config_error also if it cannot be read or was measured on another kind of
/// processor than this one.
TunedGemm read_tuned_gemm(const std::filesystem::path& file);

}  // namespace msn
