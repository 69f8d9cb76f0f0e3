// SPDX-License-Identifier: Apache-2.0
#include "model/gemm_table.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "support/refusal.hpp"
#include "support/support.hpp"

namespace msn {
namespace {

#define EXPECT_SAYS(text, part) EXPECT_NE(std::string(text).find(part), std::string::npos) << (text)

std::string refusal(const std::string& text) {
  return test::refusal([&] { parse_tuned_gemm(text, "a.json"); }, ExitCode::config);
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << text;
  return at == std::string::npos ? text : text.replace(at, what.size(), by);
}

TunedGemm example() {
  TunedGemm tuned{kernels::processor_name(), "2.11.0", gemm_table_of(GemmBackend::mkl)};
  tuned.table.of(GemmKind::fp32_input_gradient) = GemmBackend::onednn;
  return tuned;
}

TEST(GemmTable, TheDefaultAvoidsTheSlowPathOfEachVendor) {
  EXPECT_EQ(to_text(default_gemm_table(kernels::Vendor::intel)), "mkl");
  for (const kernels::Vendor vendor : {kernels::Vendor::amd, kernels::Vendor::other}) {
    EXPECT_EQ(to_text(default_gemm_table(vendor)),
              "fp32.forward=onednn, fp32.input_gradient=onednn, fp32.weight_gradient=onednn, "
              "fp32.weight_gradient.few_rows=mkl, bf16.weight_gradient=mkl");
  }
}

TEST(GemmTable, EveryTableIsOneTextAndComesBackFromIt) {
  std::set<std::string> texts;
  for (unsigned bits = 0; bits < 1U << kGemmKinds; ++bits) {
    GemmTable table;
    for (std::size_t kind = 0; kind < kGemmKinds; ++kind)
      table.backends[kind] = (bits >> kind & 1U) != 0 ? GemmBackend::onednn : GemmBackend::mkl;
    texts.insert(to_text(table));
    EXPECT_EQ(gemm_table_from(to_text(table)), table);
    EXPECT_EQ(parse_tuned_gemm(tuned_gemm_text({"p", "t", table}), "a.json").table, table);
  }
  EXPECT_EQ(texts.size(), std::size_t{1} << kGemmKinds);
  for (const char* text : {"", "MKL", "mkl ", "fp32.forward=mkl", "blas"})
    EXPECT_EQ(gemm_table_from(text), std::nullopt) << text;
}

TEST(TunedGemm, IsReadAsItWasWritten) {
  const test::TempDir folder;
  const auto file = folder.path() / "gemm.json";
  std::ofstream(file) << tuned_gemm_text(example());
  const TunedGemm back = read_tuned_gemm(file);
  EXPECT_EQ(back.processor, example().processor);
  EXPECT_EQ(back.torch, "2.11.0");
  EXPECT_EQ(back.table, example().table);
}

TEST(TunedGemm, OfAnotherProcessorIsRefused) {
  const test::TempDir folder;
  const auto file = folder.path() / "gemm.json";
  TunedGemm other = example();
  other.processor = "Intel, MMX";
  std::ofstream(file) << tuned_gemm_text(other);
  const std::string said = test::refusal([&] { read_tuned_gemm(file); }, ExitCode::config);
  EXPECT_SAYS(said, "measured on another kind of processor: Intel, MMX, and this is " + kernels::processor_name());
  EXPECT_SAYS(said, file.string());
  EXPECT_SAYS(said, "msn bench gemm --write");
}

TEST(TunedGemm, WhatIsNoSuchFileIsRefusedWithTheReason) {
  const std::string good = tuned_gemm_text(example());
  EXPECT_SAYS(refusal(""), "not a file of msn bench gemm");
  EXPECT_SAYS(refusal("mkl"), "not a file of msn bench gemm");
  EXPECT_SAYS(refusal("[1, 2]"), "not a file of msn bench gemm");
  EXPECT_SAYS(refusal(good.substr(0, good.size() / 2)), "not a file of msn bench gemm");
  EXPECT_SAYS(refusal(std::string(100, '[')), "nested too deeply (a.json)");
  EXPECT_SAYS(refusal(replaced(good, "\"format_version\": 1", "\"format_version\": 2")), "format version 2");
  EXPECT_SAYS(refusal(replaced(good, "\"torch\"", "\"processor\"")), "a key stands twice: processor");
  EXPECT_SAYS(refusal(replaced(good, "\"onednn\"", "\"cublas\"")), "no such back end: \"cublas\"");
  EXPECT_SAYS(refusal(replaced(good, "\"onednn\"", "3")), "not a file of msn bench gemm");
  EXPECT_SAYS(refusal(replaced(good, "bf16.weight_gradient", "fp8.weight_gradient")),
              "no such kind of matrix product: \"fp8.weight_gradient\"");
  EXPECT_SAYS(refusal(replaced(good, "\"fp32.forward\": \"mkl\",", "")), "fp32.forward");
  EXPECT_SAYS(refusal(replaced(good, "\"fp32.forward\": \"mkl\",", "\"fp32.forward\": \"a\\nb\",")), "\"a\\nb\"");
}

TEST(TunedGemm, AFileThatCannotBeReadIsRefused) {
  const test::TempDir folder;
  const auto refused = [&](const std::filesystem::path& file) {
    return test::refusal([&] { read_tuned_gemm(file); }, ExitCode::config);
  };
  EXPECT_SAYS(refused(folder.path() / "none"), "runtime.gemm is \"auto\", \"mkl\", \"onednn\" or a file");
  EXPECT_SAYS(refused(folder.path()), folder.path().string());
  std::ofstream(folder.path() / "large") << std::string(100000, ' ');
  EXPECT_SAYS(refused(folder.path() / "large"), "65536");
}

}  // namespace
}  // namespace msn
