// SPDX-License-Identifier: Apache-2.0
// GPUs and networks that a run may be planned for, by their makers' data sheets.
#pragma once

#include <string>
#include <string_view>

#include "config/config.hpp"

namespace msn {

struct GpuFacts {
  std::string_view name;        ///< As in `msn plan --gpu NAME`.
  double memory_bytes = 0;      ///< Of the device, as sold: 80 GB is 80e9.
  double memory_bandwidth = 0;  ///< Bytes/s.
  double fp32 = 0;              ///< Operations/s at best, dense, outside of tensor cores.
  double tf32 = 0;              ///< On tensor cores; 0: it has none.
  double bf16 = 0;              ///< On tensor cores, with sums in float32.
  double peer_bandwidth = 0;    ///< Bytes/s to the other GPUs of a node, one direction.
  std::string_view source;

  /// Of a precision's matrix products, 0 if the device has none.
  double peak(Precision precision) const;
};

struct LinkFacts {
  std::string_view name;  ///< As in `msn plan --link NAME`.
  double bandwidth = 0;   ///< Bytes/s of a node, one direction, all adapters together.
  std::string_view what;
};

/// The names that there are, with `between` them.
std::string gpu_names(std::string_view between);
std::string link_names(std::string_view between);

/// Throw usage_error with the names that there are.
const GpuFacts& find_gpu(std::string_view name);
/// A name of the table, or GB/s: "50".
LinkFacts find_link(std::string_view text);

}  // namespace msn
