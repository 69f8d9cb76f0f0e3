// SPDX-License-Identifier: Apache-2.0
// Products of small matrices that lie in the cache, for the sources that are compiled once an instruction set. Included
// by these sources only; everything is in the namespace of their form. All matrices to the right and all results have
// rows of whole vectors, aligned to one.
#pragma once

#include <cstdint>

#include "kernels/row_math.hpp"

namespace msn::kernels::MSN_ISA {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
constexpr int kPanelVectors = 4;
#elif defined(__AVX2__)
constexpr int kVectorBytes = 32;
constexpr int kPanelVectors = 2;
#else
constexpr int kVectorBytes = 16;
constexpr int kPanelVectors = 2;
#endif

template <class A>
struct VectorOf {
  typedef A type __attribute__((vector_size(kVectorBytes), may_alias));
};
/// A register full of A.
template <class A>
using Vector = typename VectorOf<A>::type;

/// Elements of a vector.
template <class A>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(A));

/// Columns of a panel: as many as a tile of the result keeps in registers.
template <class A>
constexpr std::int64_t kPanelColumns = kPanelVectors* kLanes<A>;

/// Rows of a tile whose sums fit the registers beside `vectors` of the right matrix.
constexpr int tile_rows(int vectors) {
  return vectors == kPanelVectors ? 6 : 8;
}

/// The left matrix of a product: element (i, k) is data[i * row + k * step], so that a transposed one costs nothing.
template <class A>
struct Left {
  const A* data;
  std::int64_t row;
  std::int64_t step;
};

/// The right matrix or the result: element (k, j) is data[k * row + j].
template <class A>
struct Right {
  A* data;
  std::int64_t row;
};

/// c [kRows, kVectors vectors] = or += a b over `depth`, all sums in registers.
template <class A, int kRows, int kVectors>
MSN_INLINE void tile(Left<A> a, Right<const A> b, std::int64_t depth, Right<A> c, bool add) {
  using V = Vector<A>;
  V sums[kRows][kVectors] = {};
  for (std::int64_t k = 0; k < depth; ++k) {
    const V* right = reinterpret_cast<const V*>(b.data + k * b.row);
    const A* left = a.data + k * a.step;
#pragma GCC unroll 8
    for (int i = 0; i < kRows; ++i) {
      const A factor = left[i * a.row];
#pragma GCC unroll 8
      for (int j = 0; j < kVectors; ++j)
        sums[i][j] += factor * right[j];
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kRows; ++i) {
    V* result = reinterpret_cast<V*>(c.data + i * c.row);
#pragma GCC unroll 8
    for (int j = 0; j < kVectors; ++j)
      result[j] = add ? result[j] + sums[i][j] : sums[i][j];
  }
}

/// As tile(), for `rows` below tile_rows(kVectors).
template <class A, int kRows, int kVectors>
MSN_INLINE void last_tile(int rows, Left<A> a, Right<const A> b, std::int64_t depth, Right<A> c, bool add) {
  if constexpr (kRows > 0) {
    if (rows == kRows) {
      tile<A, kRows, kVectors>(a, b, depth, c, add);
    } else {
      last_tile<A, kRows - 1, kVectors>(rows, a, b, depth, c, add);
    }
  }
}

template <class A, int kVectors>
[[gnu::noinline]] static void multiply_panel(std::int64_t rows, Left<A> a, Right<const A> b, std::int64_t depth,
                                             Right<A> c, bool add) {
  constexpr int kRows = tile_rows(kVectors);
  std::int64_t i = 0;
  for (; i + kRows <= rows; i += kRows)
    tile<A, kRows, kVectors>({a.data + i * a.row, a.row, a.step}, b, depth, {c.data + i * c.row, c.row}, add);
  last_tile<A, kRows - 1, kVectors>(static_cast<int>(rows - i), {a.data + i * a.row, a.row, a.step}, b, depth,
                                    {c.data + i * c.row, c.row}, add);
}

/// c [rows, columns] = or += a [rows, depth] b [depth, columns]; at most a panel of columns, in whole vectors.
template <class A>
static void multiply_panel(std::int64_t rows, std::int64_t columns, Left<A> a, Right<const A> b, std::int64_t depth,
                           Right<A> c, bool add) {
  const std::int64_t vectors = columns / kLanes<A>;
  if (vectors == 1) multiply_panel<A, 1>(rows, a, b, depth, c, add);
  if (vectors == 2) multiply_panel<A, 2>(rows, a, b, depth, c, add);
  if constexpr (kPanelVectors > 2) {
    if (vectors == 3) multiply_panel<A, 3>(rows, a, b, depth, c, add);
    if (vectors == 4) multiply_panel<A, 4>(rows, a, b, depth, c, add);
  }
}

/// As multiply_panel(), for any number of whole vectors.
template <class A>
static void multiply(std::int64_t rows, std::int64_t columns, Left<A> a, Right<const A> b, std::int64_t depth,
                     Right<A> c, bool add) {
  for (std::int64_t j = 0; j < columns; j += kPanelColumns<A>)
    multiply_panel<A>(rows, columns - j < kPanelColumns<A> ? columns - j : kPanelColumns<A>, a, {b.data + j, b.row},
                      depth, {c.data + j, c.row}, add);
}

/// Numbers 0 to kCount - 1 as a pack.
template <int... kNumbers>
struct Numbers {};
template <int kCount, int... kNumbers>
struct NumbersTo : NumbersTo<kCount - 1, kCount - 1, kNumbers...> {};
template <int... kNumbers>
struct NumbersTo<0, kNumbers...> {
  using type = Numbers<kNumbers...>;
};

template <int kStep, class V, int... kLane>
MSN_INLINE V rotate_lanes(V v, Numbers<kLane...>) {
  return __builtin_shufflevector(v, v, ((kLane + kStep) % static_cast<int>(sizeof...(kLane)))...);
}

template <class A, int kStep = kLanes<A> / 2>
MSN_INLINE A sum_of_lanes(Vector<A> v) {
  if constexpr (kStep == 0) {
    return v[0];
  } else {
    return sum_of_lanes<A, kStep / 2>(v + rotate_lanes<kStep>(v, typename NumbersTo<kLanes<A>>::type{}));
  }
}

template <class A, int kStep = kLanes<A> / 2>
MSN_INLINE A greatest_of_lanes(Vector<A> v) {
  if constexpr (kStep == 0) {
    return v[0];
  } else {
    const Vector<A> other = rotate_lanes<kStep>(v, typename NumbersTo<kLanes<A>>::type{});
    return greatest_of_lanes<A, kStep / 2>(v < other ? other : v);
  }
}

/// Exchanges the odd groups of kStep lanes of `a` with the even ones of `b`.
template <int kStep, class V, int... kLane>
MSN_INLINE void exchange_lanes(V& a, V& b, Numbers<kLane...>) {
  constexpr int n = sizeof...(kLane);
  const V even = __builtin_shufflevector(a, b, ((kLane & kStep) != 0 ? n + kLane - kStep : kLane)...);
  b = __builtin_shufflevector(a, b, ((kLane & kStep) != 0 ? n + kLane : kLane + kStep)...);
  a = even;
}

template <int kStep, class A>
MSN_INLINE void transpose_lanes(Vector<A>* rows) {
  constexpr int n = kLanes<A>;
  if constexpr (kStep < n) {
#pragma GCC unroll 16
    for (int i = 0; i < n; ++i) {
      if ((i & kStep) == 0) exchange_lanes<kStep>(rows[i], rows[i + kStep], typename NumbersTo<n>::type{});
    }
    transpose_lanes<kStep * 2, A>(rows);
  }
}

/// to (j, i) = from (i, j) for kLanes rows i and kLanes columns j.
template <class A>
MSN_INLINE void transpose_square(Right<const A> from, Right<A> to) {
  Vector<A> rows[kLanes<A>];
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<A>; ++i)
    rows[i] = *reinterpret_cast<const Vector<A>*>(from.data + i * from.row);
  transpose_lanes<1, A>(rows);
#pragma GCC unroll 16
  for (int i = 0; i < kLanes<A>; ++i)
    *reinterpret_cast<Vector<A>*>(to.data + i * to.row) = rows[i];
}

}  // namespace msn::kernels::MSN_ISA
