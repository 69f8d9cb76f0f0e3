// SPDX-License-Identifier: Apache-2.0
#include "planning/gpu_table.hpp"

#include <array>
#include <charconv>
#include <string>

#include "base/error.hpp"

namespace msn {
namespace {

constexpr double T = 1e12;
constexpr double G = 1e9;

// Operations without the factor of two of structured sparsity that data sheets like to count.
constexpr std::array<GpuFacts, 11> kGpus{{
    {"v100", 32 * G, 900 * G, 15.7 * T, 0, 0, 150 * G, "NVIDIA V100 data sheet (SXM2, 32 GB)"},
    {"a100-40", 40 * G, 1555 * G, 19.5 * T, 156 * T, 312 * T, 300 * G, "NVIDIA A100 data sheet (SXM4, 40 GB)"},
    {"a100", 80 * G, 2039 * G, 19.5 * T, 156 * T, 312 * T, 300 * G, "NVIDIA A100 data sheet (SXM4, 80 GB)"},
    {"a10", 24 * G, 600 * G, 31.2 * T, 62.5 * T, 125 * T, 32 * G, "NVIDIA A10 data sheet (PCIe 4.0)"},
    {"l4", 24 * G, 300 * G, 30.3 * T, 60 * T, 121 * T, 32 * G, "NVIDIA L4 data sheet (PCIe 4.0)"},
    {"l40s", 48 * G, 864 * G, 91.6 * T, 183 * T, 362 * T, 32 * G, "NVIDIA L40S data sheet (PCIe 4.0)"},
    {"rtx4090", 24 * G, 1008 * G, 82.6 * T, 82.6 * T, 165.2 * T, 32 * G, "NVIDIA Ada architecture paper (PCIe 4.0)"},
    {"h100", 80 * G, 3350 * G, 67 * T, 494.5 * T, 989 * T, 450 * G, "NVIDIA H100 data sheet (SXM5)"},
    {"h100-pcie", 80 * G, 2000 * G, 51 * T, 378 * T, 756 * T, 64 * G, "NVIDIA H100 data sheet (PCIe 5.0)"},
    {"h200", 141 * G, 4800 * G, 67 * T, 494.5 * T, 989 * T, 450 * G, "NVIDIA H200 data sheet (SXM)"},
    {"b200", 180 * G, 7700 * G, 75 * T, 1100 * T, 2250 * T, 900 * G, "NVIDIA HGX B200 data sheet"},
}};

constexpr std::array<LinkFacts, 8> kLinks{{
    {"10gbe", 1.25 * G, "one 10 Gbit/s Ethernet"},
    {"25gbe", 3.125 * G, "one 25 Gbit/s Ethernet"},
    {"100g", 12.5 * G, "one adapter of 100 Gbit/s: EDR InfiniBand, Omni-Path, Ethernet"},
    {"200g", 25 * G, "one adapter of 200 Gbit/s: HDR InfiniBand, Slingshot"},
    {"400g", 50 * G, "one adapter of 400 Gbit/s (NDR), or four of 100 (EFA of p4d)"},
    {"4x200g", 100 * G, "four adapters of 200 Gbit/s: one for every other GPU of eight, or each of four"},
    {"8x200g", 200 * G, "eight adapters of 200 Gbit/s: one for each GPU (DGX A100)"},
    {"8x400g", 400 * G, "eight adapters of 400 Gbit/s: one for each GPU (DGX H100; EFA of p5)"},
}};

template <typename Row, std::size_t N>
std::string names_of(const std::array<Row, N>& table, std::string_view between) {
  std::string text;
  for (const Row& row : table)
    text.append(text.empty() ? "" : between).append(row.name);
  return text;
}

}  // namespace

double GpuFacts::peak(Precision precision) const {
  switch (precision) {
    case Precision::fp32:
      return fp32;
    case Precision::tf32:
      return tf32;
    case Precision::bf16:
      return bf16;
    case Precision::fp64:
      return 0;
  }
  return 0;
}

std::string gpu_names(std::string_view between) {
  return names_of(kGpus, between);
}

std::string link_names(std::string_view between) {
  return names_of(kLinks, between);
}

const GpuFacts& find_gpu(std::string_view name) {
  for (const GpuFacts& row : kGpus) {
    if (row.name == name) return row;
  }
  throw usage_error("no facts are known of the GPU \"" + std::string(name) + "\"", "--gpu",
                    "take one of " + gpu_names(", ") + ", or cpu");
}

LinkFacts find_link(std::string_view text) {
  for (const LinkFacts& row : kLinks) {
    if (row.name == text) return row;
  }
  double bandwidth = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bandwidth);
  if (error == std::errc() && end == text.data() + text.size() && bandwidth > 0)
    return {text, bandwidth * G, "as given, GB/s of a node"};
  throw usage_error("no such network: \"" + std::string(text) + "\"", "--link",
                    "take one of " + link_names(", ") + ", or the GB/s of a node");
}

}  // namespace msn
