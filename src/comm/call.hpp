// SPDX-License-Identifier: Apache-2.0
// What ranks tell each other before a collective on tensors, so that one that is out of step is named, not hung.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "comm/flight_recorder.hpp"
#include "comm/world.hpp"
#include "kernels/bf16.hpp"

namespace msn {

enum class Scalar : std::uint8_t { f32, f64, bf16 };

template <class T>
constexpr Scalar scalar_of() {
  if constexpr (std::is_same_v<T, float>) {
    return Scalar::f32;
  } else if constexpr (std::is_same_v<T, double>) {
    return Scalar::f64;
  } else {
    static_assert(std::is_same_v<T, kernels::Bf16>);
    return Scalar::bf16;
  }
}

/// One collective as one rank calls it. Compared and sent as bytes: no padding, unused text is zero.
struct Call {
  std::uint64_t sequence = 0;  ///< From 0.
  std::uint64_t count = 0;     ///< Elements that a rank gives.
  std::uint64_t what_hash = 0;
  CollectiveKind kind = CollectiveKind::sum;
  Scalar scalar = Scalar::f32;
  char what[46] = {};  ///< The beginning of it, for people.

  Call() = default;
  Call(std::uint64_t sequence, CollectiveKind kind, std::uint64_t count, Scalar scalar, std::string_view what);
};
static_assert(std::has_unique_object_representations_v<Call> && std::is_trivially_copyable_v<Call>);

bool operator==(const Call& a, const Call& b);

/// For instance: gather of 12 float64 "metrics".
std::string to_string(const Call& call);

/// Throws JobError if `calls`, one a rank, are not all the same: names every rank, with its host, whose call is not
/// that of most ranks (of as many on both sides: not that of the lowest rank), and what it called.
void check_calls(std::span<const Call> calls, std::span<const std::string> hosts);

}  // namespace msn
