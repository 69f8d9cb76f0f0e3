// SPDX-License-Identifier: Apache-2.0
#include "comm/collectives.hpp"

#include <algorithm>
#include <climits>
#include <memory>
#include <type_traits>
#include <vector>

namespace msn {
namespace {

template <class T>
MPI_Datatype mpi_type() {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
  return std::is_same_v<T, float> ? MPI_FLOAT : MPI_DOUBLE;
}

/// out[i] = parts[0][i] + parts[1][i] + ..., where part r begins at parts + r * out.size().
template <class T>
void add_parts(const T* parts, int count, std::span<T> out) {
  std::copy_n(parts, out.size(), out.data());
  for (int r = 1; r < count; ++r) {
    const T* part = parts + static_cast<std::size_t>(r) * out.size();
    for (std::size_t i = 0; i < out.size(); ++i)
      out[i] += part[i];
  }
}

template <class T>
void sum_by_gather(const World& world, std::span<T> values) {
  const auto parts = std::make_unique_for_overwrite<T[]>(values.size() * static_cast<std::size_t>(world.size()));
  const int count = static_cast<int>(values.size());
  MSN_CHECK_MPI(MPI_Allgather(values.data(), count, mpi_type<T>(), parts.get(), count, mpi_type<T>(), world.comm()));
  add_parts(parts.get(), world.size(), values);
}

/// One piece: rank r gets every rank's slice r, adds, and gives the sum to all.
template <class T>
void sum_by_slices(const World& world, std::span<T> values, T* buffer) {
  const auto ranks = static_cast<std::size_t>(world.size());
  std::vector<int> counts(ranks), starts(ranks);
  for (std::size_t r = 0; r < ranks; ++r) {
    const std::size_t begin = values.size() * r / ranks;
    starts[r] = static_cast<int>(begin);
    counts[r] = static_cast<int>(values.size() * (r + 1) / ranks - begin);
  }
  const auto me = static_cast<std::size_t>(world.rank());
  const std::vector<int> received(ranks, counts[me]);
  std::vector<int> places(ranks);
  for (std::size_t r = 0; r < ranks; ++r)
    places[r] = static_cast<int>(r) * counts[me];
  MSN_CHECK_MPI(MPI_Alltoallv(values.data(), counts.data(), starts.data(), mpi_type<T>(), buffer, received.data(),
                              places.data(), mpi_type<T>(), world.comm()));
  add_parts(buffer, world.size(),
            values.subspan(static_cast<std::size_t>(starts[me]), static_cast<std::size_t>(counts[me])));
  MSN_CHECK_MPI(MPI_Allgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, values.data(), counts.data(), starts.data(),
                               mpi_type<T>(), world.comm()));
}

template <class T>
void sum_values(const World& world, std::span<T> values, SumLimits limits) {
  if (world.size() == 1 || values.empty()) return;
  MSN_CHECK(limits.piece_bytes >= sizeof(T) && limits.piece_bytes / sizeof(T) <= INT_MAX / 2);
  MSN_CHECK(limits.gather_bytes / sizeof(T) <= INT_MAX);
  if (values.size_bytes() <= limits.gather_bytes) return sum_by_gather(world, values);
  const std::size_t piece = std::min(values.size(), limits.piece_bytes / sizeof(T));
  // Slices differ by one element, and a rank receives its own slice from every rank.
  const auto buffer = std::make_unique_for_overwrite<T[]>(piece + static_cast<std::size_t>(world.size()));
  for (std::size_t begin = 0; begin < values.size(); begin += piece) {
    sum_by_slices(world, values.subspan(begin, std::min(piece, values.size() - begin)), buffer.get());
  }
}

}  // namespace

void sum_in_rank_order(const World& world, std::span<float> values, SumLimits limits) {
  sum_values(world, values, limits);
}

void sum_in_rank_order(const World& world, std::span<double> values, SumLimits limits) {
  sum_values(world, values, limits);
}

void all_gather(const World& world, std::span<const double> mine, std::span<double> all) {
  MSN_CHECK(mine.size() <= INT_MAX && all.size() == mine.size() * static_cast<std::size_t>(world.size()));
  const int count = static_cast<int>(mine.size());
  MSN_CHECK_MPI(MPI_Allgather(mine.data(), count, MPI_DOUBLE, all.data(), count, MPI_DOUBLE, world.comm()));
}

}  // namespace msn
