// SPDX-License-Identifier: Apache-2.0
// What a plan takes for granted about a machine: assumed, or measured by `msn bench`.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "config/config.hpp"

namespace msn {

/// A number that a plan rests on, and where it comes from.
struct Quantity {
  double value = 0;
  std::string source;  ///< "assumed", "given", or the file of a measurement.
};

/// A measured step (`msn bench step --json`), with the configuration that it was measured with.
struct MeasuredStep {
  std::string source;
  Config config;
  int ranks = 1;
  int ranks_per_host = 1;  ///< They share its caches and its memory's bandwidth.
  int threads = 1;         ///< Of a rank.
  bool on_gpu = false;
  double seconds = 0;      ///< Of a step.
  double products = 0;     ///< Of that, matrix products and attention.
  double update = 0;       ///< The optimiser's.
  double waiting = 0;      ///< For other ranks.
  double peak_memory = 0;  ///< Bytes of the largest rank.
  double gemm_rate = 0;    ///< FLOP/s of a rank in one large matrix product while all ranks compute one; 0: not told.
  double copy_rate = 0;    ///< Bytes/s of a rank in a plain copy, likewise.
};

struct Assumptions {
  /// Share of a GPU's peak that matrix products reach; falls with the width of the model if it is not given.
  std::optional<Quantity> product_share;
  Quantity memory_share{0.85, "assumed"};  ///< Of a GPU's memory bandwidth, by what lies between products.
  /// Values moved between products, for each token, block and channel. 36 where Kokkos has CUDA, which fuses them.
  Quantity values_between{77, "assumed"};
  Quantity peer_share{0.8, "assumed"};        ///< Of the bandwidth between GPUs of a node, by sums (bus bandwidth).
  Quantity link_share{0.9, "assumed"};        ///< Of a node's network, likewise.
  Quantity peer_latency{20e-6, "assumed"};    ///< Seconds of a small collective within a node.
  Quantity link_latency{15e-6, "assumed"};    ///< Seconds more for each doubling of the nodes.
  Quantity overlap{0.8, "assumed"};           ///< Share of the backward pass during which gradients can be summed.
  Quantity images_per_core{75, "assumed"};    ///< Images/s of a core that decodes one and makes its views.
  Quantity decoded_per_core{600, "assumed"};  ///< Images/s of a core that only decodes: the GPU makes the views.
  Quantity image_bytes{110e3, "assumed"};     ///< Of an image as packed.
  std::vector<MeasuredStep> steps;
  /// Seconds of a sum over ranks of these bytes, ascending; of `bench allreduce`, its fastest way.
  struct MeasuredSum {
    std::string source;
    int ranks = 0;
    double bytes = 0;
    double seconds = 0;
  };
  std::vector<MeasuredSum> sums;
};

/// Replaces what a file of `msn bench step|allreduce|input --json` measured: one or more lines, of which those that are
/// no JSON are passed over. Throws data_error if there is none that it knows.
void calibrate(Assumptions& assumptions, const std::filesystem::path& file);

}  // namespace msn
